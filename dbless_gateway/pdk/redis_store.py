"""Counters in Redis, which several gateways share.

Each question is one round trip, however many windows it asks about. The client comes from redis-py, imported
when a plugin is configured to use it. Rules of the file:

1. Nothing waits longer than the configured timeout, whatever Redis does: away, slow, full, or silent.
2. Every failure is a ``RedisUnavailable``; what then happens is the plugin's (``fault_tolerant``) decision.
3. A lost answer is not asked for again, because counting twice is worse than not counting; only a connection
that
   turns out to be closed when it is used is replaced.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from dbless_gateway.config.records import dataclass
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv

if TYPE_CHECKING:
    # Imported where it is used: `validate` loads this module for its checks, and has no event loop.
    import asyncio

# Kong's pool size per address; a request that finds all in use waits, within the timeout.
_POOL_SIZE = 100

# Counts each key once; a new key gets the length of its window. Returns the counts before.
_COUNT_SCRIPT = """
local before = {}
for i, key in ipairs(KEYS) do
  local count = redis.call('INCR', key)
  if count == 1 then redis.call('EXPIRE', key, ARGV[i]) end
  before[i] = count - 1
end
return before
"""

# For sliding windows: keys are pairs of the running window and the one before it, arguments are the limit,
# the part of the previous window that still counts, and the lifetime. Counts in all windows, or in none when
# one is full; returns the counts before.
_SLIDE_SCRIPT = """
local seen, is_full = {}, false
for i = 1, #KEYS, 2 do
  local at = (i - 1) / 2 * 3
  seen[i] = tonumber(redis.call('GET', KEYS[i]) or 0)
  seen[i + 1] = tonumber(redis.call('GET', KEYS[i + 1]) or 0)
  local carried = math.ceil(seen[i + 1] * tonumber(ARGV[at + 2]) - 1e-9)
  is_full = is_full or seen[i] + carried >= tonumber(ARGV[at + 1])
end
if not is_full then
  for i = 1, #KEYS, 2 do
    if redis.call('INCR', KEYS[i]) == 1 then redis.call('EXPIRE', KEYS[i], ARGV[(i - 1) / 2 * 3 + 3]) end
  end
end
return seen
"""

# Adds an amount to each key; a new key gets the length of its window.
_ADD_SCRIPT = """
for i, key in ipairs(KEYS) do
  local amount = ARGV[2 * i - 1]
  if redis.call('INCRBY', key, amount) == tonumber(amount) then redis.call('EXPIRE', key, ARGV[2 * i]) end
end
return 0
"""


class RedisUnavailable(Exception):
    """Redis could not be asked; the text says why."""


@dataclass(frozen=True, slots=True)
class RedisConfig:
    """The ``redis`` record of a plugin's configuration; ``timeout`` is in milliseconds."""

    host: str | None
    port: int | None
    timeout: int | None
    username: str | None
    password: str | None
    database: int | None
    ssl: bool | None
    ssl_verify: bool | None
    server_name: str | None

    def identity(self) -> str:
        """Return a name for this configuration that may be logged."""
        digest = blake2b(repr(self).encode(), digest_size=8).hexdigest()
        return f"{self.host}:{self.port};{self.database}:{digest}"


def check_redis(config: RedisConfig) -> None:
    """Raise ``ConfigError`` when something is missing that the redis policy needs; load the client."""
    for name in ("host", "port", "timeout"):
        if getattr(config, name) is None:
            raise ConfigError(f"redis.{name}", "required field missing")
    # Now, at a reload, and not while the first request waits for it.
    import redis.asyncio  # noqa: F401


class Slide(NamedTuple):
    """What is asked about one sliding window."""

    key: str
    previous_key: str
    limit: float
    share: float  # of the previous window that still counts
    lifetime_s: int


class RedisStore:
    """Counters on one Redis."""

    def __init__(self, config: RedisConfig, trusted_file: str | None = None) -> None:
        self._config = config
        self._trusted_file = trusted_file
        self._timeout_s = (config.timeout or 2000) / 1000
        self._client: Any = None
        self._count_script: Any = None
        self._add_script: Any = None
        self._slide_script: Any = None

    @classmethod
    def of(cls, config: RedisConfig, env: PluginEnv) -> RedisStore:
        """Return the store of a configuration, shared by all plugins of the worker that use the same."""
        return env.host.resource(f"redis:{config.identity()}", lambda: cls(config, env.host.trusted_file))

    async def count(self, keys: Sequence[str], windows_s: Sequence[int]) -> list[int]:
        """Add 1 to each key and return the counts before."""
        before: list[int] = await self._ask(lambda: self._count_script(keys=list(keys), args=list(windows_s)))
        return before

    async def slide(self, slides: Sequence[Slide]) -> list[int]:
        """Add 1 in every window unless one is full; return the counts before, running and previous in
        turn.
        """
        keys = [key for slide in slides for key in (slide.key, slide.previous_key)]
        arguments = [value for slide in slides for value in slide[2:]]
        before: list[int] = await self._ask(lambda: self._slide_script(keys=keys, args=arguments))
        return before

    async def read(self, keys: Sequence[str]) -> list[int]:
        """Return the counts, 0 when there is none."""
        values: list[bytes | None] = await self._ask(lambda: self._client.mget(list(keys)))
        return [int(value or 0) for value in values]

    async def add(self, amounts: Sequence[tuple[str, int, int]]) -> None:
        """Add to counters; each entry is (key, amount, length of the window in seconds)."""
        keys = [key for key, _, _ in amounts]
        arguments = [number for _, amount, window_s in amounts for number in (amount, window_s)]
        await self._ask(lambda: self._add_script(keys=keys, args=arguments))

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        import asyncio

        from redis.exceptions import RedisError

        if self._client is None:
            self._connect()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await question()
        except TimeoutError:
            raise RedisUnavailable("no answer in time") from None
        except (RedisError, OSError) as error:
            raise RedisUnavailable(str(error) or type(error).__name__) from None

    def _connect(self) -> None:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as Disconnected

        config = self._config
        options: dict[str, Any] = {
            "host": config.host,
            "port": config.port,
            "db": config.database or 0,
            "username": config.username if config.username and config.password else None,
            "password": config.password or None,
            "socket_timeout": self._timeout_s,
            "socket_connect_timeout": self._timeout_s,
            "retry": Retry(NoBackoff(), 1, supported_errors=(Disconnected,)),
        }
        if config.ssl:
            options |= self._tls_options()
        pool = BlockingConnectionPool(max_connections=_POOL_SIZE, timeout=self._timeout_s, **options)
        self._client = Redis.from_pool(pool)
        self._count_script = self._client.register_script(_COUNT_SCRIPT)
        self._add_script = self._client.register_script(_ADD_SCRIPT)
        self._slide_script = self._client.register_script(_SLIDE_SCRIPT)

    def _tls_options(self) -> dict[str, Any]:
        from redis.asyncio import SSLConnection

        server_name = self._config.server_name

        class NamedConnection(SSLConnection):
            """Sends the configured name, whatever the address is."""

            def _connection_arguments(self) -> dict[str, Any]:
                arguments = cast("dict[str, Any]", super()._connection_arguments())
                return arguments | ({"server_hostname": server_name} if server_name else {})

        verifies = bool(self._config.ssl_verify)
        return {
            "connection_class": NamedConnection,
            "ssl_cert_reqs": "required" if verifies else "none",
            "ssl_check_hostname": verifies,
            "ssl_ca_certs": self._trusted_file if verifies else None,
        }


class SyncedCounters:
    """Counters that are asked about here, and brought to Redis from time to time.

    Used when ``sync_rate`` is set: a key is read from Redis on first use, counted here, and what was counted
    is added to Redis together. After that everything is read again, so that other gateways' counts are seen.
    """

    def __init__(self, store: RedisStore, sync_rate_s: float) -> None:
        self._store = store
        self._sync_rate_s = sync_rate_s
        self._known: dict[str, int] = {}
        self._counted: dict[str, tuple[int, int]] = {}
        self._task: asyncio.Task[None] | None = None

    async def read(self, keys: Sequence[str]) -> list[int]:
        """Return the counts as far as they are known here."""
        missing = [key for key in keys if key not in self._known]
        if missing:
            self._known.update(zip(missing, await self._store.read(missing), strict=True))
        return [self._known.get(key, 0) + self._counted.get(key, (0, 0))[0] for key in keys]

    def count(self, keys: Sequence[str], windows_s: Sequence[int]) -> None:
        """Add 1 to each key here, and to Redis later."""
        for key, window_s in zip(keys, windows_s, strict=True):
            self._counted[key] = (self._counted.get(key, (0, 0))[0] + 1, window_s)
        if self._task is None:
            import asyncio

            self._task = asyncio.get_running_loop().create_task(self._sync())

    async def close(self) -> None:
        """Bring what was counted to Redis without waiting for the time."""
        if self._task is not None:
            import asyncio

            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._push()

    async def _sync(self) -> None:
        import asyncio

        await asyncio.sleep(self._sync_rate_s)
        self._task = None
        await self._push()

    async def _push(self) -> None:
        counted, self._counted = self._counted, {}
        # As in Kong: what could not be brought there is forgotten.
        with suppress(RedisUnavailable):
            await self._store.add([(key, amount, window_s) for key, (amount, window_s) in counted.items()])
        self._known = {}
