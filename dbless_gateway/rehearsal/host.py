"""What plugins are lent in a rehearsal (``pdk.plugin.Host``): real counters and cache in plain memory.

Time stands still during a rehearsal, so a window of a rate limit never ends in the middle of a test. Queues
take entries and drop them, metrics count nothing, and what would write to a file or to the system's log is
silent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from time import time
from typing import Any, TypeVar

from dbless_gateway import __version__
from dbless_gateway.pdk.memory import MemoryCache, MemoryCounters
from dbless_gateway.pdk.plugin import Cache, Counters, Metrics, Queue

T = TypeVar("T")

# Their log phase writes past the event loop, where nothing else would stop it.
_SILENCED = frozenset(("file-log", "syslog"))


class _NoMetrics:
    """Counts nothing."""

    def counter(self, name: str, labels: Sequence[tuple[str, str]]) -> Callable[[int], None]:
        return _ignore

    def histogram(self, name: str, labels: Sequence[tuple[str, str]]) -> Callable[[int], None]:
        return _ignore


class _NoQueue:
    """Takes everything and sends nothing."""

    def put(self, entry: Any) -> None:
        """Drop it."""


class _Silence:
    """Stands where a file (``file-log``) or the system's log (``syslog``) would be."""

    def append(self, line: bytes) -> None:
        """Drop it."""

    def send(self, message: bytes) -> None:
        """Drop it."""

    def close(self) -> None:
        """Nothing is open."""


def _ignore(value: int) -> None:
    """Count nothing."""


class RehearsalHost:
    """See the module."""

    node_id = "00000000-0000-0000-0000-000000000000"
    version = __version__
    trusted_file: str | None = None

    def __init__(self) -> None:
        self._now_s = time()
        self._counters = MemoryCounters(self.now)
        self._cache = MemoryCache(self.now)
        self._resources: dict[str, Any] = {}
        self.metrics: Metrics = _NoMetrics()

    @property
    def counters(self) -> Counters:
        """Counters of this process."""
        return self._counters

    @property
    def cache(self) -> Cache:
        """A cache of this process."""
        return self._cache

    def forget(self, now_s: float | None = None) -> None:
        """Start anew at this moment; None is the present one. Handlers keep what they hold."""
        self._now_s = time() if now_s is None else now_s
        self._counters.clear()
        self._cache.clear()

    def now(self) -> float:
        """Return the moment at which time stands still."""
        return self._now_s

    def secret(self, purpose: str) -> bytes:
        """Return the same bytes in every rehearsal."""
        return sha256(f"rehearsal {purpose}".encode()).digest()

    def resource(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` made on the first use of that name, unless it must be silent."""
        if name not in self._resources:
            self._resources[name] = _Silence() if name.partition(":")[0] in _SILENCED else make()
        resource: T = self._resources[name]
        return resource

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> Queue:
        """Return a queue that sends nothing."""
        return _NoQueue()
