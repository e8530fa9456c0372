"""API keys: where a request carries one, and whom it identifies.

The part of key-auth that runs for each request, in a module of its own because it is compiled.
"""

from __future__ import annotations

import re
from hashlib import blake2b, sha256
from hmac import compare_digest
from typing import Final

from dbless_gateway.pdk.body import Fields, parse_body
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.identity import Consumer, Credential

_HASHED_KEY: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")

# Whom a key identifies; a credential whose consumer is missing has None.
Known = tuple[Consumer | None, Credential]


class Found:
    """What a request carries under one of the names; several values are no key, and stand as None."""

    __slots__ = ("fields", "key", "name")

    def __init__(self, name: str, key: bytes | None, fields: Fields | None) -> None:
        self.name = name
        self.key = key
        self.fields = fields  # of the body, when that was looked at


class KeyPlaces:
    """Looks for the first of the names that has a value, in header, query and body."""

    __slots__ = ("_in_body", "_in_header", "_in_query", "_names")

    def __init__(self, names: tuple[str, ...], in_header: bool, in_query: bool, in_body: bool) -> None:
        self._names = names
        self._in_header = in_header
        self._in_query = in_query
        self._in_body = in_body

    def find(self, ctx: Context) -> Found | None:
        """Return what stands in the first place that has something."""
        fields = self._fields(ctx)
        for name in self._names:
            value = self._value(ctx, name, fields)
            if isinstance(value, str):
                return Found(name, value.encode("utf-8", "surrogateescape"), fields)
            if isinstance(value, list):
                return Found(name, None, fields)
        return None

    def has_any(self, ctx: Context) -> bool:
        """Tell whether something that is not empty stands in any place."""
        fields = self._fields(ctx)
        values = [self._value(ctx, name, fields) for name in self._names]
        return any(isinstance(value, str | list) and bool(value) for value in values)

    def _value(self, ctx: Context, name: str, fields: Fields | None) -> object:
        """Return what stands under one of the names: a text, a list of several, or something useless."""
        value: object = None
        if self._in_header:
            value = _header_value(ctx, name)
        if value is None and self._in_query and ctx.raw_query:
            values = ctx.query_args().get(name)
            value = values[0] if values and len(values) == 1 else values
        if value is None and fields is not None:
            value = fields.get(name)
        return value

    def _fields(self, ctx: Context) -> Fields | None:
        if not self._in_body:
            return None
        return parse_body(ctx.request_body, ctx.headers.get("content-type"))


class KeyIndex:
    """All keys of a configuration by digest, so that no comparison tells how much of a guess was right."""

    __slots__ = ("_hashed", "_plain", "tables")

    def __init__(self) -> None:
        self._plain: dict[bytes, tuple[bytes, Known]] = {}
        self._hashed: dict[bytes, Known] = {}
        self.tables = (self._plain, self._hashed)

    def add(self, credential: Credential, consumer: Consumer | None) -> None:
        """Take the key of a credential."""
        key: str = credential.fields["key"]
        known: Known = (consumer, credential)
        hashed = _HASHED_KEY.fullmatch(key)
        if hashed is not None:
            self._hashed[bytes.fromhex(hashed[1])] = known
        else:
            raw = key.encode()
            self._plain[_digest(raw)] = (raw, known)

    def find(self, key: bytes) -> Known | None:
        """Return whom a key identifies."""
        plain = self._plain.get(_digest(key))
        if plain is not None and compare_digest(plain[0], key):
            return plain[1]
        return self._hashed.get(sha256(key).digest()) if self._hashed else None


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=16).digest()


def _header_value(ctx: Context, name: str) -> object:
    lines = ctx.headers.get_all(name)
    if not lines:
        return None
    if len(lines) > 1:
        return lines
    # Header text is latin-1, a configured key is UTF-8: what counts is that the bytes are the same.
    value = lines[0]
    return value if value.isascii() else value.encode("latin-1").decode("utf-8", "surrogateescape")
