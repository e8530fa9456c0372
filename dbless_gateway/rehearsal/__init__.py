"""The real gateway without a network: for explaining requests and for testing configurations."""
