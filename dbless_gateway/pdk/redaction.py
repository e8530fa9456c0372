"""What no log may show: which headers and query arguments carry credentials, and what stands in their place."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import unquote_plus

from dbless_gateway.http1.showing import REDACTED
from dbless_gateway.pdk.identity import Identities

_ALWAYS_SECRET = ("authorization", "proxy-authorization", "cookie", "set-cookie", "apikey")


def secret_names(identities: Identities) -> set[str]:
    """Return the names of headers and query arguments, lower case, whose values no log may show.

    The set belongs to one configuration; plugins add to it when their handlers are made.
    """
    return identities.index("secret names", lambda _: set(_ALWAYS_SECRET))


def redacted_query(raw: str, names: Container[str]) -> str:
    """Return a query string without the values of secret arguments, however their names are written."""
    parts = [part.partition("=") for part in raw.split("&")]
    if not any(_is_secret(name, names) for name, _, _ in parts):
        return raw
    return "&".join(
        f"{name}={REDACTED}" if equals and _is_secret(name, names) else name + equals + value
        for name, equals, value in parts
    )


def _is_secret(encoded: str, names: Container[str]) -> bool:
    name = unquote_plus(encoded) if "%" in encoded or "+" in encoded else encoded
    return name.lower() in names
