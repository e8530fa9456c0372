"""API keys: where a request carries one, and whom it identifies.

The part of key-auth that runs for each request, in a module of its own because it is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from math import inf
from typing import Final

from dbless_gateway.pdk.body import Fields, parse_body
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.identity import Consumer, Credential
from dbless_gateway.pdk.query import without_argument
from dbless_gateway.pdk.reply import Reply

_HASHED_KEY: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")

# The WWW-Authenticate header of a refusal.
Challenge = tuple[tuple[str, str], ...]


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


class Known:
    """Whom a key identifies, and until when."""

    __slots__ = ("consumer", "credential", "ends_at", "key", "next")

    def __init__(self, key: bytes, consumer: Consumer | None, credential: Credential) -> None:
        self.key = key  # or its SHA-256, where the configuration has only that
        self.consumer = consumer  # None: the credential's is missing
        self.credential = credential
        # Without a database a ttl is the moment when the key ends, in seconds since the epoch.
        ttl = credential.fields.get("ttl")
        self.ends_at: float = inf if ttl is None else float(ttl)
        self.next: Known | None = None  # with the same hash


class KeyIndex:
    """All keys of a configuration, found so that no comparison tells how much of a guess was right.

    Python's hash of bytes is keyed anew in each process, so nobody can aim at one; what has the hash of a guess
    is then compared in constant time.
    """

    __slots__ = ("_by_hash", "_hash", "_hashed", "tables")

    def __init__(self, hash_of: Callable[[bytes], int] = hash) -> None:
        self._hash = hash_of
        self._by_hash: dict[int, Known] = {}
        self._hashed: dict[bytes, Known] = {}
        self.tables = (self._by_hash, self._hashed)

    def add(self, credential: Credential, consumer: Consumer | None) -> None:
        """Take the key of a credential."""
        key: str = credential.fields["key"]
        hashed = _HASHED_KEY.fullmatch(key)
        if hashed is not None:
            digest = bytes.fromhex(hashed[1])
            self._hashed[digest] = Known(digest, consumer, credential)
        else:
            known = Known(key.encode(), consumer, credential)
            value = self._hash(known.key)
            known.next = self._by_hash.get(value)
            self._by_hash[value] = known

    def find(self, key: bytes) -> Known | None:
        """Return whom a key identifies."""
        known = self._by_hash.get(self._hash(key))
        while known is not None:
            if compare_digest(known.key, key):
                return known
            known = known.next
        return self._hashed.get(sha256(key).digest()) if self._hashed else None


class KeyCheck:
    """Identifies the consumer whose key a request carries, or refuses."""

    __slots__ = ("_challenge", "_hides", "_keys", "_now", "_places", "_takes_preflight")

    def __init__(
        self,
        places: KeyPlaces,
        keys: KeyIndex,
        challenge: Challenge,
        now: Callable[[], float],
        *,
        hides: bool,
        takes_preflight: bool,
    ) -> None:
        self._places = places
        self._keys = keys
        self._challenge = challenge
        self._now = now
        self._hides = hides
        self._takes_preflight = takes_preflight

    def run(self, ctx: Context) -> Reply | None:
        """Do it; the access step of key-auth."""
        if not self._takes_preflight and ctx.method == "OPTIONS":
            return None
        found = self._places.find(ctx)
        if found is None:
            return refuse(ctx, 401, "No API key found in request", self._challenge)
        key = found.key
        if key is None:
            return refuse(ctx, 401, "Duplicate API key found", self._challenge)
        if self._hides:
            _hide(ctx, found.name, found.fields)
        if not key:
            return refuse(ctx, 401, "No API key found in request", self._challenge)
        known = self._keys.find(key)
        if known is None or (known.ends_at != inf and known.ends_at <= self._now()):
            return refuse(ctx, 401, "Unauthorized", self._challenge)
        if known.consumer is None:
            return refuse(ctx, 500)
        ctx.authenticate(known.consumer, known.credential)
        return None


def _hide(ctx: Context, name: str, fields: Fields | None) -> None:
    ctx.upstream.headers.remove(name)
    if ctx.upstream.query:
        ctx.upstream.query = without_argument(ctx.upstream.query, name)
    if fields is not None:
        fields.remove(name)
        ctx.upstream.body = fields.encode()


def _header_value(ctx: Context, name: str) -> object:
    lines = ctx.headers.get_all(name)
    if not lines:
        return None
    if len(lines) > 1:
        return lines
    # Header text is latin-1, a configured key is UTF-8: what counts is that the bytes are the same.
    value = lines[0]
    return value if value.isascii() else value.encode("latin-1").decode("utf-8", "surrogateescape")
