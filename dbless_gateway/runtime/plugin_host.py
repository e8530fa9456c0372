"""What the gateway lends to all plugins of a worker (``pdk.plugin.Host``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import time
from typing import Any, Protocol, TypeVar

from dbless_gateway import __version__
from dbless_gateway.pdk.plugin import Cache, Counters, Metrics, Queue

T = TypeVar("T")


class Queues(Protocol):
    """Where queues come from (``runtime.queues``)."""

    def get(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> Queue:
        """Return the queue of that name, made on first use."""

    async def close(self, timeout_s: float) -> None:
        """Empty all queues."""


class PluginHost:
    """See the module."""

    __slots__ = ("_resources", "_secret", "cache", "counters", "metrics", "node_id", "queues", "version")

    def __init__(
        self,
        *,
        node_id: str,
        counters: Counters,
        cache: Cache,
        metrics: Metrics,
        queues: Queues,
        secret: Callable[[str], bytes],
    ) -> None:
        self.node_id = node_id
        self.version = __version__
        self.counters = counters
        self.cache = cache
        self.metrics = metrics
        self.queues = queues
        self._secret = secret
        self._resources: dict[str, Any] = {}

    def now(self) -> float:
        """Return wall-clock seconds."""
        return time()

    def secret(self, purpose: str) -> bytes:
        """Return 32 bytes that only this node knows."""
        return self._secret(purpose)

    def resource(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` made on the first use of that name."""
        if name not in self._resources:
            self._resources[name] = make()
        resource: T = self._resources[name]
        return resource

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> Queue:
        """Return the queue of that name."""
        return self.queues.get(name, parameters, send)
