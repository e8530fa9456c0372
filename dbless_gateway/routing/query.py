"""Query arguments as the expressions flavour sees them.

An argument without ``=`` has the empty value. Names and values are percent-decoded and ``+`` is a space, as
Kong's web server does it. At most ``MAX_ARGUMENTS`` are looked at, which is also Kong's limit.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

MAX_ARGUMENTS = 100


def query_values(query: bytes | None, name: bytes) -> list[bytes]:
    """Return every value of the argument, in order."""
    if not query:
        return []
    values: list[bytes] = []
    for pair in query.split(b"&", MAX_ARGUMENTS)[:MAX_ARGUMENTS]:
        key, _, value = pair.partition(b"=")
        if key == name or (key and _decode(key) == name):
            values.append(_decode(value))
    return values


def _decode(text: bytes) -> bytes:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text
