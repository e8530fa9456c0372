"""Answering from the node's cache, and recording responses that may be kept: the phases of proxy-cache.

What runs for each request, in a module of its own because it is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dbless_gateway.pdk.cache_control import (
    Directives,
    MediaType,
    matches,
    parse_directives,
    parse_media_type,
    response_ttl_s,
    seconds,
)
from dbless_gateway.pdk.cache_keys import CacheKey, CacheKeys
from dbless_gateway.pdk.cached_response import FORMAT_VERSION, Entry, decode_entry, encode_entry
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import exit_empty
from dbless_gateway.pdk.plugin import Cache
from dbless_gateway.pdk.reply import Reply

# Where a request carries its recording, and where loggers find out that there was a hit.
_RECORDING: Final = "proxy-cache"
_HIT_NOTE: Final = "proxy_cache_hit"

_STATUS: Final = ("X-Cache-Status",)
_KEY: Final = ("X-Cache-Key",)
_KEY_AND_STATUS: Final = ("X-Cache-Key", "X-Cache-Status")
_ALL: Final = ("X-Cache-Key", "age", "X-Cache-Status")
_FORBIDS_STORING: Final = ("private", "no-store", "no-cache")
_NO_DIRECTIVES: Final[Directives] = {}  # never changed


class Diagnosis:
    """The headers that tell a client what the cache did; with ``Kong-Debug`` it gets them all."""

    __slots__ = ("_shown",)

    def __init__(self, shown: frozenset[str]) -> None:
        self._shown = shown

    def tell(self, ctx: Context, names: tuple[str, ...], values: tuple[str, ...]) -> None:
        """Set those that are shown."""
        shown = self._shown
        if len(shown) < len(_ALL) and not self._is_debugged(ctx):
            kept = [at for at, name in enumerate(names) if name in shown]
            names, values = tuple([names[at] for at in kept]), tuple([values[at] for at in kept])
        if names:
            ctx.set_response_headers(names, values)

    def correct_status(self, ctx: Context, status: str) -> None:
        """Say something else, now that there is a response."""
        if "X-Cache-Status" in self._shown or self._is_debugged(ctx):
            ctx.response.headers.set("X-Cache-Status", status)

    def _is_debugged(self, ctx: Context) -> bool:
        return ctx.headers.get("kong-debug") is not None


class Freshness:
    """How long responses are fresh: as the configuration says, or as client and target do."""

    __slots__ = ("_cache_ttl_s", "_listens", "_storage_ttl_s")

    def __init__(self, listens: bool, cache_ttl_s: float, storage_ttl_s: float | None) -> None:
        """``listens``: to Cache-Control."""
        self._listens = listens
        self._cache_ttl_s = cache_ttl_s
        self._storage_ttl_s = storage_ttl_s

    def request_directives(self, ctx: Context) -> Directives:
        """Return what the client asks of caches."""
        return parse_directives(ctx.headers.get_all("cache-control")) if self._listens else _NO_DIRECTIVES

    def response_directives(self, ctx: Context) -> Directives:
        """Return what the target asks of caches."""
        if not self._listens:
            return _NO_DIRECTIVES
        return parse_directives(ctx.response.headers.get_all("cache-control"))

    def ttl_s(self, ctx: Context, directives: Directives, now: float) -> float:
        """Return how long this response is fresh."""
        if not self._listens:
            return self._cache_ttl_s
        return response_ttl_s(directives, ctx.response.headers.get_all("expires"), now)

    def storage_ttl_s(self, ttl_s: float) -> float:
        """Return how long a response is kept that is fresh for this long."""
        return self._storage_ttl_s or ttl_s

    def is_over(self, entry: Entry, age_s: float, directives: Directives) -> bool:
        """Tell whether an entry is too old for a request."""
        if not self._listens:
            return age_s > self._cache_ttl_s
        if not directives:
            return False
        max_age = seconds(directives, "max-age")
        max_stale = seconds(directives, "max-stale")
        min_fresh = seconds(directives, "min-fresh")
        return (
            (max_age is not None and age_s > max_age)
            or (max_stale is not None and age_s - entry.ttl_s > max_stale)
            or (min_fresh is not None and entry.ttl_s - age_s < min_fresh)
        )


class Admission:
    """Which requests are looked up, and which responses are kept."""

    __slots__ = ("_statuses", "_types", "methods")

    def __init__(self, methods: frozenset[str], statuses: frozenset[int], types: list[MediaType]) -> None:
        self.methods = methods
        self._statuses = statuses
        self._types = types

    def takes(self, status: int, content_type: str | None) -> bool:
        """Tell whether a response is of a kind to keep."""
        if status not in self._statuses or content_type is None:
            return False
        offered = parse_media_type(content_type)
        return offered is not None and any(matches(offered, wanted) for wanted in self._types)


class _Recording:
    """A response on its way to the client that shall be stored."""

    __slots__ = ("chunks", "headers", "key", "size_bytes", "status", "stored_at", "ttl_s")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.status = 0  # none yet
        self.headers: list[tuple[str, str]] = []
        self.stored_at = self.ttl_s = 0.0
        self.chunks: list[bytes] = []
        self.size_bytes = 0

    def begin(self, status: int, headers: list[tuple[str, str]], stored_at: float, ttl_s: float) -> None:
        """The head has come."""
        self.status = status
        self.headers = headers
        self.stored_at = stored_at
        self.ttl_s = ttl_s

    def encode(self) -> bytes:
        """Return the entry."""
        return encode_entry(self.status, self.headers, b"".join(self.chunks), self.stored_at, self.ttl_s)


class ResponseCache:
    """Looks requests up, and records responses that it may keep; its methods are the steps of a plugin."""

    __slots__ = ("_admission", "_cache", "_diagnosis", "_freshness", "_keys", "_now")

    def __init__(
        self,
        cache: Cache,
        now: Callable[[], float],
        keys: CacheKeys,
        admission: Admission,
        freshness: Freshness,
        diagnosis: Diagnosis,
    ) -> None:
        self._cache = cache
        self._now = now
        self._keys = keys
        self._admission = admission
        self._freshness = freshness
        self._diagnosis = diagnosis

    def access(self, ctx: Context) -> Reply | None:
        """Answer from the cache, or mark the coming response for storing."""
        directives = self._freshness.request_directives(ctx)
        if ctx.method not in self._admission.methods or "no-store" in directives or "no-cache" in directives:
            self._diagnosis.tell(ctx, _STATUS, ("Bypass",))
            return None
        key = self._keys.key(ctx)
        entry = self._cache.find(key.stored, decode_entry)
        if entry is None:
            if "only-if-cached" in directives:
                self._diagnosis.tell(ctx, _KEY, (key.text,))
                return exit_empty(ctx, 504)
            self._record(ctx, key, "Miss")
            return None
        if entry.version != FORMAT_VERSION:
            self._cache.delete(key.stored)
            self._record(ctx, key, "Bypass")
            return None
        age_s = self._now() - entry.stored_at
        if self._freshness.is_over(entry, age_s, directives):
            self._record(ctx, key, "Refresh")
            return None
        ctx.shared[_HIT_NOTE] = True
        self._diagnosis.tell(ctx, _ALL, (key.text, str(int(age_s)) if age_s > 0 else "0", "Hit"))
        return entry.reply

    def header_filter(self, ctx: Context) -> None:
        """Decide whether the response is one to keep."""
        recording: _Recording | None = ctx.shared.get(_RECORDING)
        if recording is None:
            return
        response, now = ctx.response, self._now()
        directives = self._freshness.response_directives(ctx)
        ttl_s = self._freshness.ttl_s(ctx, directives, now)
        is_kept = self._admission.takes(response.status, response.headers.get("content-type"))
        if not is_kept or ttl_s <= 0 or not directives.keys().isdisjoint(_FORBIDS_STORING):
            del ctx.shared[_RECORDING]
            self._diagnosis.correct_status(ctx, "Bypass")
            return
        recording.begin(response.status, response.headers.items(), now, ttl_s)

    def body_filter(self, ctx: Context, chunk: bytes, last: bool) -> bytes | None:
        """Collect the body; store the response when it is complete."""
        recording: _Recording | None = ctx.shared.get(_RECORDING)
        if recording is None or not recording.status:
            return None
        recording.size_bytes += len(chunk)
        if recording.size_bytes > self._cache.entry_limit_bytes:
            del ctx.shared[_RECORDING]
            return None
        recording.chunks.append(chunk)
        if last:
            del ctx.shared[_RECORDING]
            storage_ttl_s = self._freshness.storage_ttl_s(recording.ttl_s)
            self._cache.put(recording.key, recording.encode(), storage_ttl_s)
        return None

    def _record(self, ctx: Context, key: CacheKey, status: str) -> None:
        ctx.shared[_RECORDING] = _Recording(key.stored)
        self._diagnosis.tell(ctx, _KEY_AND_STATUS, (key.text, status))
