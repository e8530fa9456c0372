"""hash_on and hash_fallback: from a request to the bytes that consistent-hashing hashes.

Compiled once per upstream into one callable. A missing primary input falls through to the fallback, a missing
fallback to the empty string (all such requests then go to one target). Whoever calls it supplies a
``KeySource``; this module knows no request, no header table and no response.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol
from uuid import uuid4

from dbless_gateway.config.entities import Upstream


class KeySource(Protocol):
    """What of a request can be hashed."""

    @property
    def client_ip(self) -> str: ...
    @property
    def path_bytes(self) -> bytes: ...  # normalised and decoded, without query

    def consumer_id(self) -> str | None:
        """Return the id of the authenticated consumer, else of the credential."""

    def header_values(self, name: bytes) -> list[bytes]:
        """Return every value of a header; ``name`` is lower case."""

    def cookie(self, name: str) -> str | None:
        """Return the value of a request cookie."""

    def query_values(self, name: str) -> list[str | bool]:
        """Return the decoded values of a query argument; True for an argument without ``=``."""

    def capture(self, name: str) -> str | None:
        """Return what a named group of the route's pattern matched, or a numbered one (``"1"``)."""


class NewCookie(NamedTuple):
    """A cookie that the response must set, replacing one of the same name that the target set."""

    name: str
    header_value: str  # of Set-Cookie


class HashKey(NamedTuple):
    """The input of the hash, and the cookie to set when the value had to be made up."""

    value: bytes
    cookie: NewCookie | None


_Input = Callable[[KeySource], "bytes | None"]


def compile_hash_key(upstream: Upstream) -> Callable[[KeySource], HashKey] | None:
    """Return the function that finds a request's key, or None when the algorithm looks at no key."""
    if upstream.algorithm == "sticky-sessions":
        return _sticky(upstream.sticky_sessions_cookie or "")
    if upstream.algorithm != "consistent-hashing":
        return None
    if upstream.hash_on == "cookie" or upstream.hash_fallback == "cookie":
        return _with_cookie(upstream)
    primary = _input(
        upstream.hash_on, upstream.hash_on_header, upstream.hash_on_query_arg, upstream.hash_on_uri_capture
    )
    fallback = _input(
        upstream.hash_fallback,
        upstream.hash_fallback_header,
        upstream.hash_fallback_query_arg,
        upstream.hash_fallback_uri_capture,
    )

    def key(source: KeySource) -> HashKey:
        return HashKey(primary(source) or fallback(source) or b"", None)

    return key


def set_cookie(name: str, value: str, path: str) -> NewCookie:
    """Return a session cookie as Kong writes it (its ``Same-Site`` is spelled with a hyphen)."""
    return NewCookie(name, f"{name}={value}; Path={path}; Same-Site=Lax; HttpOnly")


def _sticky(name: str) -> Callable[[KeySource], HashKey]:
    def key(source: KeySource) -> HashKey:
        return HashKey((source.cookie(name) or "").encode("latin-1", "replace"), None)

    return key


def _with_cookie(upstream: Upstream) -> Callable[[KeySource], HashKey]:
    """Return a key function that ends in the cookie, which is made up when the client has none."""
    name, path = upstream.hash_on_cookie or "", upstream.hash_on_cookie_path
    primary: _Input = _nothing
    if upstream.hash_on != "cookie":
        primary = _input(
            upstream.hash_on,
            upstream.hash_on_header,
            upstream.hash_on_query_arg,
            upstream.hash_on_uri_capture,
        )

    def key(source: KeySource) -> HashKey:
        value = primary(source)
        if value:
            return HashKey(value, None)
        known = source.cookie(name)
        if known:
            return HashKey(known.encode("latin-1", "replace"), None)
        made_up = str(uuid4())
        return HashKey(made_up.encode(), set_cookie(name, made_up, path))

    return key


def _input(kind: str, header: str | None, query_arg: str | None, capture: str | None) -> _Input:
    if kind == "header":
        return _header(header or "")
    if kind == "query_arg":
        return _query_arg(query_arg or "")
    if kind == "uri_capture":
        return _capture(capture or "")
    return _SIMPLE[kind]


def _nothing(source: KeySource) -> bytes | None:
    return None


def _consumer(source: KeySource) -> bytes | None:
    found = source.consumer_id()
    return found.encode() if found else None


def _ip(source: KeySource) -> bytes | None:
    return source.client_ip.encode()


def _path(source: KeySource) -> bytes | None:
    return source.path_bytes


_SIMPLE: dict[str, _Input] = {"none": _nothing, "consumer": _consumer, "ip": _ip, "path": _path}


def _header(name: str) -> _Input:
    wanted = name.lower().encode("latin-1")

    def value(source: KeySource) -> bytes | None:
        return b", ".join(source.header_values(wanted))

    return value


def _query_arg(name: str) -> _Input:
    def value(source: KeySource) -> bytes | None:
        values = source.query_values(name)
        texts = sorted("true" if item is True else str(item) for item in values)
        return ",".join(texts).encode("utf-8", "surrogateescape")

    return value


def _capture(name: str) -> _Input:
    def value(source: KeySource) -> bytes | None:
        found = source.capture(name)
        return found.encode("utf-8", "surrogateescape") if found else None

    return value
