"""proxy-cache: answer from memory what a target has answered before.

Kong's behaviour this follows: https://developer.konghq.com/plugins/proxy-cache/ (3.5 and later).
Differences: every configured ``memory.dictionary_name`` means the same memory of the node; a response that
is larger than the cache's limit for one entry passes through without being stored; entries do not keep the
body of the request.
"""

from __future__ import annotations

from struct import error as StructError
from typing import Any

from dbless_gateway.pdk.cache_control import parse_media_type
from dbless_gateway.pdk.cache_keys import CacheKeys
from dbless_gateway.pdk.cached_response import FORMAT_VERSION, decode_entry
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.response_cache import Admission, Diagnosis, Freshness, ResponseCache

NAME = "proxy-cache"
PRIORITY = 100


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


class Handler:
    """Looks requests up, and records responses that it may keep."""

    changes_body = False  # It only listens: a response keeps its Content-Length.

    def __init__(self, config: Config, env: PluginEnv) -> None:
        types = [parse_media_type(text) for text in config.content_type]
        shown = config.response_headers
        names = {"age": shown.age, "X-Cache-Status": shown.X_Cache_Status, "X-Cache-Key": shown.X_Cache_Key}
        cache = ResponseCache(
            env.host.cache,
            env.host.now,
            CacheKeys(
                config.vary_query_params or (), config.vary_headers or (), bool(config.ignore_uri_case)
            ),
            Admission(
                frozenset(config.request_method),
                frozenset(config.response_code),
                [media_type for media_type in types if media_type is not None],
            ),
            Freshness(config.cache_control, config.cache_ttl or 0, config.storage_ttl),
            Diagnosis(frozenset(name for name, is_shown in names.items() if is_shown)),
        )
        # The steps are its own methods: a frame of ours around each would cost a hit another tenth.
        self.access = cache.access
        self.header_filter = cache.header_filter
        self.body_filter = cache.body_filter


def describe_stored(stored: bytes) -> dict[str, Any] | None:
    """Return what the node's cache holds as the Admin API shows it; None for what is no entry."""
    try:
        entry = decode_entry(stored)
    except StructError:
        return None
    if entry.version != FORMAT_VERSION:
        return None
    reply = entry.reply
    values: dict[str, list[str]] = {}
    for name, value in reply.headers:
        values.setdefault(name.lower(), []).append(value)
    return {
        "status": reply.status,
        "headers": {name: found[0] if len(found) == 1 else found for name, found in values.items()},
        "body": reply.body.decode("utf-8", "replace"),
        "body_len": len(reply.body),
        "timestamp": entry.stored_at,
        "ttl": entry.ttl_s,
        "version": entry.version,
    }
