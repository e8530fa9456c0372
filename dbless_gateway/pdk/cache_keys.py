"""Which requests share a cached response: the key that ``X-Cache-Key`` shows.

The key is the SHA-256 of a text that the request and the configuration make together (see Kong's proxy-cache).
Part of what runs for each request of proxy-cache, in a module of its own because it is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.query import parse_query

# The same few requests come again and again, and parsing a query and hashing cost more than all else on a hit.
# Both bounds together make that two megabytes at most.
_KEYS_REMEMBERED: Final = 2048
_LONGEST_REMEMBERED: Final = 512

_Values = Mapping[str, Sequence[str | bool]]


class CacheKey:
    """A key as clients and the Admin API see it, and as the name of an entry in the node's cache."""

    __slots__ = ("stored", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.stored = storage_key(text)


class CacheKeys:
    """Makes the keys of one configuration."""

    __slots__ = ("_headers", "_ignores_case", "_params")

    def __init__(self, params: tuple[str, ...], headers: tuple[str, ...], ignores_case: bool) -> None:
        """``params``: the query arguments that count, none for all; ``headers``: those that count."""
        self._params = params
        self._headers = headers
        self._ignores_case = ignores_case

    def key(self, ctx: Context) -> CacheKey:
        """Return the key of a request."""
        method, query = ctx.method, ctx.raw_query
        line = f"{method} {ctx.raw_path}"
        if query is None:
            # Kong cuts the request line at the question mark; without one the version stays part of it.
            line = f"{line} HTTP/{ctx.http_version}"
            query = ""
        if self._ignores_case:
            line = line.lower()
        headers = ""
        if self._headers:
            headers = _join({name: ctx.headers.get_all(name) for name in self._headers}, self._headers)
        if len(line) + len(query) + len(headers) > _LONGEST_REMEMBERED:
            return _make_key(_scope(ctx), method, line, query, self._params, headers)
        return _remembered_key(_scope(ctx), method, line, query, self._params, headers)


def storage_key(cache_key: str) -> bytes:
    """Return the name of an entry in the node's cache; ``cache_key`` is what ``X-Cache-Key`` says."""
    return b"proxy-cache:" + cache_key.encode()


def _make_key(
    scope: str, method: str, line: str, query: str, params: tuple[str, ...], headers: str
) -> CacheKey:
    args: dict[str, list[str | bool]] = {}
    for name, value in parse_query(query):
        args.setdefault(name, []).append(value)
    text = "|".join((scope, method, line, _join(args, params or sorted(args)), headers))
    return CacheKey(sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


@lru_cache(maxsize=_KEYS_REMEMBERED)
def _remembered_key(
    scope: str, method: str, line: str, query: str, params: tuple[str, ...], headers: str
) -> CacheKey:
    return _make_key(scope, method, line, query, params, headers)


def _scope(ctx: Context) -> str:
    route = ctx.route
    if route is None:
        return "default"
    consumer = ctx.consumer
    return f"{consumer.id}:{route.id}" if consumer is not None else route.id


def _join(values: _Values, names: Sequence[str]) -> str:
    return ":".join([_pair(name, values[name]) for name in names if values.get(name)])


def _pair(name: str, values: Sequence[str | bool]) -> str:
    texts = sorted([value for value in values if isinstance(value, str)])
    return f"{name}={','.join(texts)}" if texts else name
