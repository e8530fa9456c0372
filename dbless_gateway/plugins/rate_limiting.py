"""rate-limiting: count requests in calendar windows and refuse those over a limit.

Kong's behaviour this follows: https://developer.konghq.com/plugins/rate-limiting/ (3.9 and later).
Differences: with ``sync_rate`` keys in Redis end with their window. The ``local`` policy checks and counts
in one step, so concurrent requests never pass over the limit; counters of a month end with the calendar
month, not 30 days after their first request. ``window: sliding`` and ``fallback: local`` are extensions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import combinations

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.limits import Answers, CalendarCounting, Limit, Limits, consumer_or_ip
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.redis_store import (
    RedisConfig,
    RedisStore,
    RedisUnavailable,
    Slide,
    SyncedCounters,
    check_redis,
)
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.windows import LENGTH_S, CurrentWindow, SlidingWindow

NAME = "rate-limiting"
PRIORITY = 910

NIL_UUID = "00000000-0000-0000-0000-000000000000"

# Only who asks Redis waits.
Outcome = Reply | Awaitable[Reply | None] | None

# More often than this a synchronisation with Redis makes no sense; -1 asks Redis for each request.
SHORTEST_SYNC_RATE_S = 0.02

# With a fallback only one request in this time finds out that Redis is still away; it may take the timeout.
ASK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Config:
    second: float | None
    minute: float | None
    hour: float | None
    day: float | None
    month: float | None
    year: float | None
    window: str | None
    limit_by: str | None
    header_name: str | None
    path: str | None
    policy: str | None
    fault_tolerant: bool
    fallback: str | None
    redis: RedisConfig
    hide_client_headers: bool
    error_code: float | None
    error_message: str | None
    sync_rate: float


class Handler:
    """Counts each request in every configured window, or in none when one of them is full."""

    # Not a method, because most limits are counted by compiled code: a frame of the interpreter around it would
    # cost what it saves.
    access: Callable[[Context], Outcome]

    def __init__(self, config: Config, env: PluginEnv) -> None:
        _check(config)
        make_window = SlidingWindow if config.window == "sliding" else CurrentWindow
        limits = Limits(
            [
                Limit(make_window(period), value)
                for period in LENGTH_S
                if (value := getattr(config, period)) is not None
            ]
        )
        # Kong's error writer knows 400 to 599 only; any other code is a failure of the plugin.
        code = config.error_code or 429
        status, message = (int(code), config.error_message) if 400 <= code <= 599 else (500, None)
        answers = Answers(limits, status, message, shows_headers=not config.hide_client_headers)
        local = CalendarCounting(
            limits,
            answers,
            f"ratelimit:{env.route_id or NIL_UUID}:{env.service_id or NIL_UUID}:",
            _identifier(config),
            env.host.counters.increment,
            env.host.counters.read,
            env.host.now,
        )
        is_simple = config.policy != "redis" and config.window != "sliding"
        self.access = local.run if is_simple else _Counting(config, env, local).run


class _Counting:
    """Counts where ``CalendarCounting`` cannot: in Redis, and in windows that slide."""

    def __init__(self, config: Config, env: PluginEnv, local: CalendarCounting) -> None:
        self._local = local
        self._limits = local.limits
        self._answers = local.answers
        self._is_sliding = config.window == "sliding"
        self._env = env
        self._redis = config.redis if config.policy == "redis" else None
        self._sync_rate_s = config.sync_rate
        self._is_fault_tolerant = config.fault_tolerant
        self._falls_back = config.fallback == "local"
        self._ask_redis_at = 0.0
        self._increment = env.host.counters.increment
        self._read = env.host.counters.read
        self._now = env.host.now

    def run(self, ctx: Context) -> Outcome:
        """Count the request, tell the client where it stands, refuse it when a window is full."""
        key = self._local.key_of(ctx)
        now = self._now()
        if self._redis is not None and now >= self._ask_redis_at:
            return self._access_redis(ctx, key, self._redis)
        return self._count_here(ctx, key, now)

    def _count_here(self, ctx: Context, key: str, now: float) -> Reply | None:
        return self._slide_here(ctx, key, now) if self._is_sliding else self._local.count(ctx, key, now)

    def _slide_here(self, ctx: Context, key: str, now: float) -> Reply | None:
        remaining, fits = self._limits.slide(self._increment, self._read, key, now)
        if not fits:
            self._limits.take_back(self._increment, key, len(remaining))
            return self._refuse_slid(ctx, self._slid_here(key, now), now)
        self._answers.fits(ctx, remaining, now)
        return None

    def _slid_here(self, key: str, now: float) -> list[int]:
        """Return the counts of all windows, running and previous in turn."""
        for limit in self._limits.all:
            limit.window.enter(now)
        names = [
            name for limit in self._limits.all for name in (limit.window.key, limit.sliding.previous_key)
        ]
        return [self._read(key + name) for name in names]

    async def _access_redis(self, ctx: Context, key: str, redis: RedisConfig) -> Reply | None:
        now = self._now()
        for limit in self._limits.all:
            limit.window.enter(now)
        store = RedisStore.of(redis, self._env)
        try:
            if self._is_sliding:
                return self._answer_slid(ctx, await self._slide(key, store, redis, now), now)
            return self._answer_counted(ctx, await self._count(key, store, redis), now)
        except RedisUnavailable as error:
            self._env.log.error("failed to get usage: %s", error)
        if self._falls_back:
            self._ask_redis_at = self._now() + ASK_AGAIN_S
            return self._count_here(ctx, key, now)
        return None if self._is_fault_tolerant else refuse(ctx, 500)

    async def _count(self, key: str, store: RedisStore, redis: RedisConfig) -> list[int]:
        """Count in every window of the calendar; return the counts before."""
        keys = [key + limit.window.key for limit in self._limits.all]
        windows_s = [LENGTH_S[limit.period] for limit in self._limits.all]
        if self._sync_rate_s == -1:
            return await store.count(keys, windows_s)
        synced = self._synced(store, redis)
        before = await synced.read(keys)
        if all(limit.value > count for limit, count in zip(self._limits.all, before, strict=True)):
            synced.count(keys, windows_s)
        return before

    async def _slide(self, key: str, store: RedisStore, redis: RedisConfig, now: float) -> list[int]:
        """Count in every sliding window unless one is full; return the counts before, two for each."""
        slides = [
            Slide(
                key + limit.window.key,
                key + limit.sliding.previous_key,
                limit.value,
                limit.sliding.share(now),
                2 * LENGTH_S[limit.period],
            )
            for limit in self._limits.all
        ]
        if self._sync_rate_s == -1:
            return await store.slide(slides)
        synced = self._synced(store, redis)
        before = await synced.read([name for slide in slides for name in slide[:2]])
        if min(self._slid_remaining(before, now)) > 0:
            synced.count([slide.key for slide in slides], [slide.lifetime_s for slide in slides])
        return before

    def _synced(self, store: RedisStore, redis: RedisConfig) -> SyncedCounters:
        name = f"{NAME}:{self._env.plugin_id}:{self._sync_rate_s}:{redis.identity()}"
        return self._env.host.resource(name, lambda: SyncedCounters(store, self._sync_rate_s))

    def _answer_counted(self, ctx: Context, before: list[int], now: float) -> Reply | None:
        for limit in self._limits.all:
            limit.window.enter(now)  # Another request may have entered the next one meanwhile.
        remaining = [limit.value - count for limit, count in zip(self._limits.all, before, strict=True)]
        if min(remaining) <= 0:
            return self._answers.full(ctx, remaining, now)
        self._answers.fits(ctx, [rest - 1 for rest in remaining], now)
        return None

    def _answer_slid(self, ctx: Context, before: list[int], now: float) -> Reply | None:
        remaining = self._slid_remaining(before, now)
        if min(remaining) <= 0:
            return self._refuse_slid(ctx, before, now)
        self._answers.fits(ctx, [rest - 1 for rest in remaining], now)
        return None

    def _refuse_slid(self, ctx: Context, before: list[int], now: float) -> Reply:
        waits_s = [
            limit.sliding.seconds_to_room(limit.value, current, previous, now)
            for limit, current, previous in zip(self._limits.all, before[::2], before[1::2], strict=True)
        ]
        return self._answers.full(ctx, self._slid_remaining(before, now), now, waits_s)

    def _slid_remaining(self, before: list[int], now: float) -> list[float]:
        remaining = []
        for limit, current, previous in zip(self._limits.all, before[::2], before[1::2], strict=True):
            limit.window.enter(now)  # Another request may have entered the next one meanwhile.
            remaining.append(limit.value - limit.sliding.carried(previous, now) - current)
        return remaining


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
    if config.fallback == "local" and config.policy != "redis":
        raise ConfigError("", "fallback can only be used with the redis policy")
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
    return consumer_or_ip
