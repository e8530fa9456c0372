"""What the gateway lends to all plugins of a worker (``pdk.plugin.Host``)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import time
from typing import Any, Protocol

from dbless_gateway import __version__
from dbless_gateway.pdk.plugin import Cache, Counters, Queue


class Queues(Protocol):
    """Where queues come from (``runtime.queues``)."""

    def get(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> Queue:
        """Return the queue of that name, made on first use."""


class PluginHost:
    """See the module."""

    __slots__ = ("cache", "counters", "node_id", "queues", "version")

    def __init__(self, node_id: str, counters: Counters, cache: Cache, queues: Queues) -> None:
        self.node_id = node_id
        self.version = __version__
        self.counters = counters
        self.cache = cache
        self.queues = queues

    def now(self) -> float:
        """Return wall-clock seconds."""
        return time()

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> Queue:
        """Return the queue of that name."""
        return self.queues.get(name, parameters, send)
