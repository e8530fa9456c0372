"""What a plugin is: a module with four names, and what the gateway lends it.

``NAME``      as in kong.yaml.
``PRIORITY``  higher runs first, in every phase; equal priority: the name that sorts later runs first.
``Config``    a frozen dataclass with the fields of ``config`` in kong.yaml. Bundled plugins have types and
              defaults in ``schemas/plugins/<name>.json`` instead, and no defaults here.
``Handler``   a class; one instance per configured plugin, made when a configuration is compiled.

A plugin that looks credentials up has a fifth one: ``INDEX``, see ``credential_index.py``.

``Handler(config, env)`` precomputes everything and has no side effects: it also runs under ``validate``,
where there is no loop and no network. It may raise ``ConfigError(field, message)``. A phase exists because
the method exists:

``rewrite(ctx)``              before routing; global instances only. Returns None, Reply or an awaitable of
                              these.
``access(ctx)``               may answer (Reply), go on (None) or wait (an awaitable of either).
``response(ctx)``             the target's response is there and nothing was sent: change ``ctx.response`` and
                              the body (``ctx.response_body``, ``ctx.set_response_body``), or return what access
                              may. Not together with the next two.
``header_filter(ctx)``        the response's head is known; change ``ctx.response``. Never waits.
``body_filter(ctx, chunk, last)``  returns the bytes to send instead, or None for "unchanged". Never waits.
``log(ctx)``                  after the response was sent. Never waits; queues do.
``on_timer()``                every ``timer_period_s`` seconds (an attribute) in each worker, while the
                              configuration is served; may wait. Not overtaken by its next run.

A ``response`` in any plugin of a request has the gateway hold the whole response back: up to 8 MiB, beyond
which the steps run with a body of None and the rest streams behind them. ``response`` runs when a target has
answered, not for answers of the gateway's or a plugin's own.
``needs_request_body = True`` on a handler makes the gateway buffer the request's body before access.
``changes_body = False`` on one with ``body_filter`` promises that it only looks: the response keeps its
length.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dbless_gateway.config.records import dataclass
from dbless_gateway.pdk.identity import Identities

if TYPE_CHECKING:
    import logging

T = TypeVar("T")


class ConfigError(Exception):
    """A plugin's configuration is wrong in a way that only the plugin can judge.

    ``field`` is relative to ``config`` (``"redis.host"``; empty for the whole); ``compile`` makes a problem
    of it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class Counters(Protocol):
    """Counters in windows, shared by all workers of the node, surviving reloads."""

    def increment(self, key: str, amount: int, limit: float | None, expires_at: float) -> int:
        """Add ``amount`` unless the count has reached ``limit`` already; return the count *before*.

        Exact over all workers of a node. ``expires_at`` is wall-clock seconds and counts for a new counter
        only. A negative ``amount`` takes back; a count never falls below 0.
        """

    def read(self, key: str) -> int:
        """Return the count, 0 when there is none."""


class Cache(Protocol):
    """Byte strings with a time to live, shared by all workers of the node, bounded in size."""

    entry_limit_bytes: int  # put() refuses larger values, so nobody needs to collect more

    def get(self, key: bytes) -> bytes | None: ...
    def find(self, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """Return what ``decode`` makes of the value: as a rule the object of the last time, so never change it.

        A key belongs to one ``decode``.
        """

    def put(self, key: bytes, value: bytes, ttl_s: float) -> bool: ...
    def delete(self, key: bytes) -> bool: ...
    def clear(self) -> None: ...


class Metrics(Protocol):
    """Counts for Prometheus, over all workers of the node; names are those of ``runtime/metrics.py``."""

    def counter(self, name: str, labels: Sequence[tuple[str, str]]) -> Callable[[int], None]:
        """Return what adds to a counter; to be kept, because looking it up costs more than adding."""

    def histogram(self, name: str, labels: Sequence[tuple[str, str]]) -> Callable[[int], None]:
        """Return what counts a value."""


class Queue(Protocol):
    """A bounded queue with batching and retries in the background."""

    def put(self, entry: Any) -> None: ...


class Host(Protocol):
    """What the gateway lends to all plugins."""

    node_id: str
    version: str
    trusted_file: str | None  # authorities that servers are verified by, PEM; None: the system's

    @property
    def counters(self) -> Counters: ...
    @property
    def cache(self) -> Cache: ...
    @property
    def metrics(self) -> Metrics: ...

    def now(self) -> float:
        """Return wall-clock seconds."""

    def secret(self, purpose: str) -> bytes:
        """Return 32 random bytes: the same in all workers and after reloads, others after a restart."""

    def resource(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` makes on the first use of that name: sockets and files, which outlive handlers.

        When no plugin of the configuration has used it, its ``close``, if it has one, is called, and awaited
        if it has to be.
        """

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> Queue:
        """Return the queue of that name, made on first use; the newest parameters and ``send`` apply."""


@dataclass(frozen=True, slots=True)
class PluginEnv:
    """What a handler is given besides its config."""

    plugin_id: str
    instance_name: str | None
    service_id: str | None
    route_id: str | None
    consumer_id: str | None
    identities: Identities
    host: Host
    plugin_name: str

    @property
    def log(self) -> logging.Logger:
        """What the plugin writes into the gateway's log."""
        # Imported here: most plugins of most files have nothing to say, and ``validate`` should not wait for it.
        import logging

        return logging.getLogger(f"dbless_gateway.plugin.{self.plugin_name}")
