"""response-ratelimiting: limit what responses cost, as the target tells in a header.

Kong's behaviour this follows: https://developer.konghq.com/plugins/response-ratelimiting/ (3.10).
Differences: local counters end with their window instead of staying until they are evicted; costs are
counted in the configured windows only; ``block_on_first_violation`` also blocks when more than the limit was
used; responses are chunked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence
from itertools import combinations

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv, Queue
from dbless_gateway.pdk.queue_config import fire_and_forget
from dbless_gateway.pdk.records import dataclass, field
from dbless_gateway.pdk.redis_store import RedisConfig, RedisStore, RedisUnavailable, check_redis
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.windows import LENGTH_S, CurrentWindow

NAME = "response-ratelimiting"
PRIORITY = 900

NIL_UUID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Limits:
    second: float | None
    minute: float | None
    hour: float | None
    day: float | None
    month: float | None
    year: float | None


@dataclass(frozen=True, slots=True)
class Config:
    header_name: str | None
    limit_by: str | None
    policy: str | None
    fault_tolerant: bool
    redis: RedisConfig
    block_on_first_violation: bool
    hide_client_headers: bool
    limits: dict[str, Limits]


@dataclass(slots=True)
class _Usage:
    """What one request found, and what its response costs."""

    key: str
    remaining: list[float]
    costs: dict[str, int] = field(default_factory=dict)
    is_replaced: bool = False


class _Limit:
    """One window of one limit."""

    __slots__ = ("limit_header", "name", "remaining_header", "text", "value", "window")

    def __init__(self, name: str, period: str, value: float) -> None:
        self.name = name
        self.value = value
        self.text = f"{value:.14g}"
        self.window = CurrentWindow(period)
        self.limit_header = f"X-RateLimit-Limit-{name}-{period}"
        self.remaining_header = f"X-RateLimit-Remaining-{name}-{period}"

    def key(self, prefix: str, now: float) -> str:
        """Return the name of the counter of the window of ``now``."""
        self.window.enter(now)
        return f"{prefix}:{self.window.starts_at * 1000}:{self.name}:{self.window.period}"


class Handler:
    """Reads what is left before the request, and counts the costs after the response."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        _check(config)
        self._config = config
        self._header_name = config.header_name or "x-kong-limit"
        self._limits = list(_limits(config))
        self._names = list(config.limits)
        self._prefix = f"response-ratelimit:{env.route_id or NIL_UUID}:{env.service_id or NIL_UUID}:"
        self._env = env
        self._redis = config.redis if config.policy == "redis" else None
        self._queue: Queue | None = None
        self._counters = env.host.counters
        self._now = env.host.now

    def access(self, ctx: Context) -> Reply | Awaitable[Reply | None] | None:
        """Tell the target what is left; refuse when that is nothing, if so configured."""
        now = self._now()
        key = self._prefix + self._identifier(ctx)
        keys = [limit.key(key, now) for limit in self._limits]
        if self._redis is not None:
            return self._access_redis(ctx, key, keys, self._redis)
        return self._judge(ctx, key, [self._counters.read(name) for name in keys])

    async def _access_redis(
        self, ctx: Context, key: str, keys: list[str], redis: RedisConfig
    ) -> Reply | None:
        try:
            used = await RedisStore.of(redis, self._env).read(keys)
        except RedisUnavailable as error:
            self._env.log.error("failed to get usage: %s", error)
            return None if self._config.fault_tolerant else refuse(ctx, 500)
        return self._judge(ctx, key, used)

    def _judge(self, ctx: Context, key: str, used: list[int]) -> Reply | None:
        remaining = [limit.value - count for limit, count in zip(self._limits, used, strict=True)]
        ctx.shared[NAME] = _Usage(key, remaining)
        least = self._least(remaining)
        if self._config.block_on_first_violation:
            for name, rest in least.items():
                if rest <= 0:
                    return refuse(ctx, 429, f"API rate limit exceeded for '{name}'")
        for name, rest in least.items():
            ctx.upstream.headers.set(f"X-RateLimit-Remaining-{name}", f"{rest:.14g}")
        return None

    def header_filter(self, ctx: Context) -> None:
        """Read the costs, show what is left, replace a response that was not to be had any more."""
        usage: _Usage | None = ctx.shared.get(NAME)
        if usage is None:
            return
        headers = ctx.response.headers
        usage.costs = _parse_costs(headers.get(self._header_name) or "", self._names)
        headers.remove(self._header_name)
        for limit, rest in zip(self._limits, usage.remaining, strict=True):
            cost = usage.costs.get(limit.name, 0)
            if not self._config.hide_client_headers:
                headers.set(limit.limit_header, limit.text)
                headers.set(limit.remaining_header, f"{max(rest - cost, 0):.14g}")
            if cost > 0 and rest <= 0:
                usage.is_replaced = True
        if usage.is_replaced:
            ctx.response.status = 429
            headers.remove("Content-Length")
            headers.remove("Content-Type")

    def body_filter(self, ctx: Context, chunk: bytes, last: bool) -> bytes | None:
        """Drop the body of a response that is replaced."""
        usage: _Usage | None = ctx.shared.get(NAME)
        return b"" if usage is not None and usage.is_replaced else None

    def log(self, ctx: Context) -> None:
        """Count the costs in every window of their limits."""
        usage: _Usage | None = ctx.shared.get(NAME)
        if usage is None or usage.is_replaced or not usage.costs:
            return
        now = self._now()
        costs = [(limit, usage.costs.get(limit.name, 0)) for limit in self._limits]
        counted = [(limit.key(usage.key, now), cost, limit) for limit, cost in costs if cost]
        if self._redis is None:
            for key, cost, limit in counted:
                self._counters.increment(key, cost, None, limit.window.enter(now))
            return
        if self._queue is None:
            self._queue = self._env.host.queue(
                f"{NAME}:{self._redis.identity()}", fire_and_forget(), self.send
            )
        self._queue.put([(key, cost, LENGTH_S[limit.window.period]) for key, cost, limit in counted])

    async def send(self, entries: Sequence[list[tuple[str, int, int]]]) -> None:
        """Count the costs of some responses in Redis."""
        if self._redis is not None:
            amounts = [amount for entry in entries for amount in entry]
            await RedisStore.of(self._redis, self._env).add(amounts)

    def _identifier(self, ctx: Context) -> str:
        limit_by = self._config.limit_by
        if limit_by == "consumer" and ctx.consumer is not None:
            return ctx.consumer.id
        if limit_by in ("consumer", "credential") and ctx.credential is not None:
            return ctx.credential.id
        return ctx.client_ip

    def _least(self, remaining: list[float]) -> dict[str, float]:
        least: dict[str, float] = {}
        for limit, rest in zip(self._limits, remaining, strict=True):
            least[limit.name] = min(rest, least.get(limit.name, rest))
        return least


def _parse_costs(text: str, names: list[str]) -> dict[str, int]:
    costs = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        name, value = name.strip(), value.strip()
        # More digits than any count has are no cost but an attack on the parser of numbers.
        if name in names and value.isascii() and value.isdigit() and len(value) <= 15:
            costs[name] = int(value)
    return costs


def _limits(config: Config) -> Iterator[_Limit]:
    for name, limits in config.limits.items():
        for period in LENGTH_S:
            value = getattr(limits, period)
            if value is not None:
                yield _Limit(name, period, value)


def _check(config: Config) -> None:
    if config.policy == "cluster":
        raise ConfigError("policy", "expected one of: local, redis")
    if config.policy == "redis":
        check_redis(config.redis)
    for limits in config.limits.values():
        given = [(period, value) for period in LENGTH_S if (value := getattr(limits, period)) is not None]
        for (smaller, low), (bigger, high) in combinations(given, 2):
            if high < low:
                least = f"the limit for {smaller}({low:.1f})"
                raise ConfigError(
                    "limits", f"the limit for {bigger}({high:.1f}) cannot be lower than {least}"
                )
