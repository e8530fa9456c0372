"""What the gateway lends to all plugins of a worker (``pdk.plugin.Host``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import time
from typing import Any, TypeVar

from dbless_gateway import __version__
from dbless_gateway.pdk.plugin import Cache, Counters, Metrics, Queue
from dbless_gateway.runtime.belongings import Belongings

T = TypeVar("T")


class PluginHost:
    """See the module."""

    __slots__ = (
        "_belongings",
        "_secret",
        "cache",
        "counters",
        "metrics",
        "node_id",
        "trusted_file",
        "version",
    )

    def __init__(
        self,
        *,
        node_id: str,
        counters: Counters,
        cache: Cache,
        metrics: Metrics,
        belongings: Belongings,
        secret: Callable[[str], bytes],
        trusted_file: str | None,
    ) -> None:
        self.node_id = node_id
        self.version = __version__
        self.counters = counters
        self.cache = cache
        self.metrics = metrics
        self.trusted_file = trusted_file
        self._secret = secret
        self._belongings = belongings

    def now(self) -> float:
        """Return wall-clock seconds."""
        return time()

    def secret(self, purpose: str) -> bytes:
        """Return 32 bytes that only this node knows."""
        return self._secret(purpose)

    def resource(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` made on the first use of that name."""
        return self._belongings.resource(name, make)

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> Queue:
        """Return the queue of that name."""
        return self._belongings.queue(name, parameters, send)
