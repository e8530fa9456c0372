"""dbless-gateway: a declarative API gateway without a database."""

__version__ = "0.1.0"
