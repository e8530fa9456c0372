"""Query strings: decoded, edited in place and encoded again.

Order is kept, because some targets care; names are compared decoded (``api%6Bey`` is ``apikey``). A value
that is True stands for an argument without ``=``.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote_plus

QueryPairs = list[tuple[str, str | bool]]

# What stays as it is in an encoded name or value; everything else becomes %XX.
_SAFE = "-_.~!*'()"


def parse_query(raw: str, errors: str = "replace") -> QueryPairs:
    """Return the decoded arguments in order; ``errors`` is what becomes of bytes that are not UTF-8."""
    pairs: QueryPairs = []
    for part in raw.split("&"):
        if not part:
            continue
        name, equals, value = part.partition("=")
        name = unquote_plus(name, errors=errors)
        pairs.append((name, unquote_plus(value, errors=errors) if equals else True))
    return pairs


def parse_wire_query(raw: str) -> QueryPairs:
    """Return the decoded arguments of a query as it came, a character for each byte.

    Bytes that are not UTF-8 become surrogates, which ``encode_query`` makes the same bytes again.
    """
    return parse_query(raw.encode("latin-1").decode("utf-8", "surrogateescape"), "surrogateescape")


def encode_query(pairs: Iterable[tuple[str, str | bool]]) -> str:
    """Return the query string of these arguments."""
    return "&".join(
        _encode(name) if value is True else f"{_encode(name)}={_encode(str(value))}" for name, value in pairs
    )


def without_argument(raw: str | None, name: str) -> str | None:
    """Return the query string without every argument of that name; None when nothing is left."""
    if raw is None:
        return None
    kept = [pair for pair in parse_query(raw) if pair[0] != name]
    return encode_query(kept) or None


def _encode(text: str) -> str:
    return quote(text, safe=_SAFE, errors="surrogateescape")
