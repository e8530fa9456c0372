"""rate-limiting: count requests in calendar windows and refuse those over a limit.

Kong's behaviour this follows: https://developer.konghq.com/plugins/rate-limiting/ (3.9 and later).
Differences: with ``sync_rate`` keys in Redis end with their window. The ``local`` policy checks and counts
in one step, so concurrent requests never pass over the limit; counters of a month end with the calendar
month, not 30 days after their first request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import combinations
from math import inf

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.redis_store import (
    RedisConfig,
    RedisStore,
    RedisUnavailable,
    SyncedCounters,
    check_redis,
)
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.windows import LENGTH_S, CurrentWindow, seconds_to_reset

NAME = "rate-limiting"
PRIORITY = 910

NIL_UUID = "00000000-0000-0000-0000-000000000000"

# More often than this a synchronisation with Redis makes no sense; -1 asks Redis for each request.
SHORTEST_SYNC_RATE_S = 0.02


@dataclass(frozen=True, slots=True)
class Config:
    second: float | None
    minute: float | None
    hour: float | None
    day: float | None
    month: float | None
    year: float | None
    limit_by: str | None
    header_name: str | None
    path: str | None
    policy: str | None
    fault_tolerant: bool
    redis: RedisConfig
    hide_client_headers: bool
    error_code: float | None
    error_message: str | None
    sync_rate: float


class Handler:
    """Counts each request in every configured window, or in none when one of them is full."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        _check(config)
        self._limits = [
            _Limit(period, value) for period in LENGTH_S if (value := getattr(config, period)) is not None
        ]
        self._identify = _identifier(config)
        self._key_prefix = f"ratelimit:{env.route_id or NIL_UUID}:{env.service_id or NIL_UUID}:"
        self._shows_headers = not config.hide_client_headers
        # Kong's error writer knows 400 to 599 only; any other code is a failure of the plugin.
        code = config.error_code or 429
        self._status, self._message = (int(code), config.error_message) if 400 <= code <= 599 else (500, None)
        self._env = env
        self._redis = config.redis if config.policy == "redis" else None
        self._sync_rate_s = config.sync_rate
        self._is_fault_tolerant = config.fault_tolerant
        self._increment = env.host.counters.increment
        self._read = env.host.counters.read
        self._now = env.host.now

    def access(self, ctx: Context) -> Reply | Awaitable[Reply | None] | None:
        """Count the request, tell the client where it stands, refuse it when a window is full."""
        key = self._key_prefix + self._identify(ctx)
        if self._redis is not None:
            return self._access_redis(ctx, key, self._redis)
        now = self._now()
        remaining: list[float] = []
        for limit in self._limits:
            ends_at = limit.window.enter(now)
            rest = limit.value - self._increment(key + limit.window.key, 1, limit.value, ends_at)
            if rest <= 0:
                return self._refuse(ctx, key, len(remaining), now)
            remaining.append(rest - 1)
        if self._shows_headers:
            _show(ctx, self._limits, remaining, now)
        return None

    async def _access_redis(self, ctx: Context, key: str, redis: RedisConfig) -> Reply | None:
        now = self._now()
        for limit in self._limits:
            limit.window.enter(now)
        keys = [key + limit.window.key for limit in self._limits]
        windows_s = [LENGTH_S[limit.period] for limit in self._limits]
        store = RedisStore.of(redis, self._env)
        try:
            if self._sync_rate_s == -1:
                before = await store.count(keys, windows_s)
            else:
                name = f"{NAME}:{self._env.plugin_id}:{self._sync_rate_s}:{redis.identity()}"
                synced = self._env.host.resource(name, lambda: SyncedCounters(store, self._sync_rate_s))
                before = await synced.read(keys)
        except RedisUnavailable as error:
            self._env.log.error("failed to get usage: %s", error)
            return None if self._is_fault_tolerant else refuse(ctx, 500)
        for limit in self._limits:
            limit.window.enter(now)  # Another request may have entered the next one meanwhile.
        remaining = [limit.value - count for limit, count in zip(self._limits, before, strict=True)]
        if min(remaining) <= 0:
            return self._answer_full(ctx, remaining, now)
        if self._sync_rate_s != -1:
            synced.count(keys, windows_s)
        if self._shows_headers:
            _show(ctx, self._limits, [rest - 1 for rest in remaining], now)
        return None

    def _refuse(self, ctx: Context, key: str, counted: int, now: float) -> Reply:
        """Refuse a request, which then must not count in the windows where it has been counted already."""
        for limit in self._limits[:counted]:
            self._increment(key + limit.window.key, -1, None, 0.0)
        for limit in self._limits:
            limit.window.enter(now)
        remaining = [limit.value - self._read(key + limit.window.key) for limit in self._limits]
        return self._answer_full(ctx, remaining, now)

    def _answer_full(self, ctx: Context, remaining: list[float], now: float) -> Reply:
        if not self._shows_headers:
            return refuse(ctx, self._status, self._message)
        reset = _show(ctx, self._limits, remaining, now)
        return refuse(ctx, self._status, self._message, (("Retry-After", reset),))


class _Limit:
    """One window with its limit and the names of its headers."""

    __slots__ = ("limit_header", "period", "remaining_header", "text", "value", "window")

    def __init__(self, period: str, value: float) -> None:
        self.period = period
        self.value = int(value) if value == int(value) else value
        self.text = _number(self.value)
        self.window = CurrentWindow(period)
        self.limit_header = f"X-RateLimit-Limit-{period.capitalize()}"
        self.remaining_header = f"X-RateLimit-Remaining-{period.capitalize()}"


def _show(ctx: Context, limits: list[_Limit], remaining: list[float], now: float) -> str:
    """Set the client's headers; return the seconds until the tightest window ends."""
    set_header = ctx.set_response_header
    tightest, least, least_text = limits[0], inf, ""
    for limit, rest in zip(limits, remaining, strict=True):
        if rest < 0:
            rest = 0
        text = str(rest) if isinstance(rest, int) else _number(rest)
        set_header(limit.limit_header, limit.text)
        set_header(limit.remaining_header, text)
        # Limits are in the order of their length, and of equals the longer window wins.
        if rest <= least:
            tightest, least, least_text = limit, rest, text
    reset = str(seconds_to_reset(tightest.period, tightest.window.starts_at, now))
    set_header("RateLimit-Limit", tightest.text)
    set_header("RateLimit-Remaining", least_text)
    set_header("RateLimit-Reset", reset)
    return reset


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.14g}"


def _check(config: Config) -> None:
    given = [(period, value) for period in LENGTH_S if (value := getattr(config, period)) is not None]
    for (smaller, low), (bigger, high) in combinations(given, 2):
        if high < low:
            raise ConfigError(
                "",
                f"The limit for {bigger}({high:.1f}) cannot be lower than the limit for {smaller}({low:.1f})",
            )
    if config.policy == "cluster":
        raise ConfigError("policy", "expected one of: local, redis")
    if config.policy == "redis":
        check_redis(config.redis)
    if config.sync_rate != -1 and config.policy != "redis":
        raise ConfigError("", "sync_rate can only be used with the redis policy")
    if config.sync_rate != -1 and config.sync_rate < SHORTEST_SYNC_RATE_S:
        raise ConfigError("", f"sync_rate must be greater than {SHORTEST_SYNC_RATE_S}, or -1 to disable")


def _identifier(config: Config) -> Callable[[Context], str]:
    """Return what tells callers apart; whoever lacks it is told apart by address."""
    if config.limit_by == "service":
        return lambda ctx: ctx.service.id if ctx.service else ctx.client_ip
    if config.limit_by == "credential":
        return lambda ctx: ctx.credential.id if ctx.credential else ctx.client_ip
    if config.limit_by == "header":
        name = config.header_name or ""
        return lambda ctx: ctx.headers.get(name) or ctx.client_ip
    if config.limit_by == "path":
        path = config.path
        return lambda ctx: ctx.path if ctx.path == path else ctx.client_ip
    if config.limit_by == "ip":
        return lambda ctx: ctx.client_ip
    return _consumer_or_ip


def _consumer_or_ip(ctx: Context) -> str:
    if ctx.consumer is not None:
        return ctx.consumer.id
    return ctx.credential.id if ctx.credential is not None else ctx.client_ip
