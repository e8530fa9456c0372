"""proxy-cache: answer from memory what a target has answered before.

Kong's behaviour this follows: https://developer.konghq.com/plugins/proxy-cache/ (3.5 and later).
Differences: every configured ``memory.dictionary_name`` means the same memory of the node; a response that
is larger than the cache's limit for one entry passes through without being stored; entries do not keep the
body of the request.
"""

from __future__ import annotations

import json
from hashlib import sha256
from struct import Struct
from struct import error as StructError
from typing import Any

from dbless_gateway.pdk.cache_control import (
    Directives,
    matches,
    parse_directives,
    parse_media_type,
    response_ttl_s,
    seconds,
)
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import exit_empty
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.records import dataclass, field
from dbless_gateway.pdk.reply import Reply

NAME = "proxy-cache"
PRIORITY = 100

# Entries of another version are of an older or newer gateway; they are dropped when they are met.
FORMAT_VERSION = 1

_HEAD_LENGTH = Struct(">I")
_decode_json = json.JSONDecoder().decode
_NEVER_REPLAYED = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "age",
        "x-cache-status",
        "x-cache-key",
    }
)


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    dictionary_name: str


@dataclass(frozen=True, slots=True)
class ResponseHeaders:
    age: bool | None
    X_Cache_Status: bool | None
    X_Cache_Key: bool | None


@dataclass(frozen=True, slots=True)
class Config:
    response_code: tuple[int, ...]
    request_method: tuple[str, ...]
    content_type: tuple[str, ...]
    cache_ttl: int | None
    strategy: str
    cache_control: bool
    ignore_uri_case: bool | None
    storage_ttl: int | None
    memory: MemoryConfig
    vary_query_params: tuple[str, ...] | None
    vary_headers: tuple[str, ...] | None
    response_headers: ResponseHeaders


@dataclass(slots=True)
class Entry:
    """One stored response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    stored_at: float
    ttl_s: float
    version: int = FORMAT_VERSION

    def encode(self) -> bytes:
        """Return the entry as bytes: the length of the head, the head as JSON, the body as it is."""
        facts = (self.version, self.status, self.headers, self.stored_at, self.ttl_s)
        head = json.dumps(facts, separators=(",", ":")).encode()
        return _HEAD_LENGTH.pack(len(head)) + head + self.body

    @classmethod
    def decode(cls, stored: bytes) -> Entry:
        """Return the entry that ``encode`` wrote."""
        body_start = 4 + _HEAD_LENGTH.unpack_from(stored)[0]
        version, status, headers, stored_at, ttl_s = _decode_json(stored[4:body_start].decode())
        return cls(status, [(n, v) for n, v in headers], stored[body_start:], stored_at, ttl_s, version)

    def describe(self) -> dict[str, Any]:
        """Return the entry as the Admin API shows it."""
        shown: dict[str, Any] = {name: getattr(self, name) for name in self.__match_args__}
        values: dict[str, list[str]] = {}
        for name, value in self.headers:
            values.setdefault(name.lower(), []).append(value)
        shown["headers"] = {name: found[0] if len(found) == 1 else found for name, found in values.items()}
        shown["body"] = self.body.decode("utf-8", "replace")
        shown["body_len"] = len(self.body)
        return shown | {"timestamp": shown.pop("stored_at"), "ttl": shown.pop("ttl_s")}


@dataclass(slots=True)
class _Recording:
    """A response on its way to the client that shall be stored."""

    key: bytes
    entry: Entry | None = None
    storage_ttl_s: float = 0.0
    chunks: list[bytes] = field(default_factory=list)
    size_bytes: int = 0


class Handler:
    """Looks requests up, and records responses that it may keep."""

    changes_body = False  # It only listens: a response keeps its Content-Length.

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._cache = env.host.cache
        self._now = env.host.now
        self._methods = frozenset(config.request_method)
        self._statuses = frozenset(config.response_code)
        wanted = [parse_media_type(text) for text in config.content_type]
        self._wanted_types = [media_type for media_type in wanted if media_type is not None]
        shown = config.response_headers
        self._shown = {
            "age": shown.age,
            "X-Cache-Status": shown.X_Cache_Status,
            "X-Cache-Key": shown.X_Cache_Key,
        }

    def access(self, ctx: Context) -> Reply | None:
        """Answer from the cache, or mark the coming response for storing."""
        directives = self._request_directives(ctx)
        if ctx.method not in self._methods or "no-store" in directives or "no-cache" in directives:
            self._diagnose(ctx, "X-Cache-Status", "Bypass")
            return None
        key = self._key(ctx)
        self._diagnose(ctx, "X-Cache-Key", key)
        stored = self._cache.get(storage_key(key))
        if stored is None:
            if "only-if-cached" in directives:
                return exit_empty(ctx, 504)
            self._record(ctx, key, "Miss")
            return None
        entry = Entry.decode(stored)
        if entry.version != FORMAT_VERSION:
            self._cache.delete(storage_key(key))
            self._record(ctx, key, "Bypass")
            return None
        age_s = self._now() - entry.stored_at
        if self._is_too_old(entry, age_s, directives):
            self._record(ctx, key, "Refresh")
            return None
        return self._hit(ctx, key, entry, age_s)

    def header_filter(self, ctx: Context) -> None:
        """Decide whether the response is one to keep."""
        recording = ctx.shared.get(NAME)
        if recording is None:
            return
        response = ctx.response
        directives = self._response_directives(ctx)
        ttl_s = self._ttl_s(ctx, directives)
        is_kept = response.status in self._statuses and self._is_wanted(response.headers.get("content-type"))
        if not is_kept or ttl_s <= 0 or not directives.keys().isdisjoint(("private", "no-store", "no-cache")):
            del ctx.shared[NAME]
            if self._is_shown(ctx, "X-Cache-Status"):
                response.headers.set("X-Cache-Status", "Bypass")
            return
        headers = [header for header in response.headers.items() if _is_replayed(header[0].lower())]
        recording.entry = Entry(response.status, headers, b"", self._now(), ttl_s)
        recording.storage_ttl_s = self._config.storage_ttl or ttl_s

    def body_filter(self, ctx: Context, chunk: bytes, last: bool) -> bytes | None:
        """Collect the body; store the response when it is complete."""
        recording = ctx.shared.get(NAME)
        if recording is None or recording.entry is None:
            return None
        recording.size_bytes += len(chunk)
        if recording.size_bytes > self._cache.entry_limit_bytes:
            del ctx.shared[NAME]
            return None
        recording.chunks.append(chunk)
        if last:
            del ctx.shared[NAME]
            recording.entry.body = b"".join(recording.chunks)
            self._cache.put(recording.key, recording.entry.encode(), recording.storage_ttl_s)
        return None

    def _record(self, ctx: Context, key: str, status: str) -> None:
        ctx.shared[NAME] = _Recording(storage_key(key))
        self._diagnose(ctx, "X-Cache-Status", status)

    def _hit(self, ctx: Context, key: str, entry: Entry, age_s: float) -> Reply:
        ctx.shared["proxy_cache_hit"] = True
        self._diagnose(ctx, "age", str(int(max(age_s, 0))))
        self._diagnose(ctx, "X-Cache-Status", "Hit")
        return Reply(entry.status, entry.body, tuple(entry.headers), proxied=True)

    def _is_too_old(self, entry: Entry, age_s: float, directives: Directives) -> bool:
        if not self._config.cache_control:
            return age_s > (self._config.cache_ttl or 0)
        max_age = seconds(directives, "max-age")
        max_stale = seconds(directives, "max-stale")
        min_fresh = seconds(directives, "min-fresh")
        return (
            (max_age is not None and age_s > max_age)
            or (max_stale is not None and age_s - entry.ttl_s > max_stale)
            or (min_fresh is not None and entry.ttl_s - age_s < min_fresh)
        )

    def _request_directives(self, ctx: Context) -> Directives:
        if not self._config.cache_control:
            return {}
        return parse_directives(ctx.headers.get_all("cache-control"))

    def _response_directives(self, ctx: Context) -> Directives:
        if not self._config.cache_control:
            return {}
        return parse_directives(ctx.response.headers.get_all("cache-control"))

    def _ttl_s(self, ctx: Context, directives: Directives) -> float:
        if not self._config.cache_control:
            return self._config.cache_ttl or 0
        return response_ttl_s(directives, ctx.response.headers.get_all("expires"), self._now())

    def _is_wanted(self, content_type: str | None) -> bool:
        if content_type is None:
            return False
        offered = parse_media_type(content_type)
        return offered is not None and any(matches(offered, wanted) for wanted in self._wanted_types)

    def _is_shown(self, ctx: Context, name: str) -> bool:
        return bool(self._shown[name]) or ctx.headers.get("kong-debug") is not None

    def _diagnose(self, ctx: Context, name: str, value: str) -> None:
        if self._is_shown(ctx, name):
            ctx.set_response_header(name, value)

    def _key(self, ctx: Context) -> str:
        line = f"{ctx.method} {ctx.raw_path}"
        if ctx.raw_query is None:
            # Kong cuts the request line at the question mark; without one the version stays part of it.
            line = f"{line} HTTP/{ctx.http_version}"
        if self._config.ignore_uri_case:
            line = line.lower()
        parts = (_scope(ctx), ctx.method, line, self._vary_on_query(ctx), self._vary_on_headers(ctx))
        return sha256("|".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def _vary_on_query(self, ctx: Context) -> str:
        if not ctx.raw_query:
            return ""
        args = ctx.query_args()
        return _join(args, self._config.vary_query_params or sorted(args))

    def _vary_on_headers(self, ctx: Context) -> str:
        names = self._config.vary_headers
        if not names:
            return ""
        return _join({name: ctx.headers.get_all(name) for name in names}, names)


def storage_key(cache_key: str) -> bytes:
    """Return the name of an entry in the node's cache; ``cache_key`` is what ``X-Cache-Key`` says."""
    return b"proxy-cache:" + cache_key.encode()


def describe_stored(stored: bytes) -> dict[str, Any] | None:
    """Return what the node's cache holds as the Admin API shows it.

    None for bytes that are no entry: a single worker takes no lock, so another process may read what is just
    being overwritten.
    """
    try:
        return Entry.decode(stored).describe()
    except (TypeError, ValueError, StructError):
        return None


def _scope(ctx: Context) -> str:
    if ctx.route is None:
        return "default"
    return f"{ctx.consumer.id}:{ctx.route.id}" if ctx.consumer is not None else ctx.route.id


def _join(values: Any, names: Any) -> str:
    return ":".join(_pair(name, values[name]) for name in names if values.get(name))


def _pair(name: str, values: list[str | bool]) -> str:
    texts = sorted(value for value in values if isinstance(value, str))
    return f"{name}={','.join(texts)}" if texts else name


def _is_replayed(name: str) -> bool:
    return name not in _NEVER_REPLAYED and "ratelimit-remaining" not in name
