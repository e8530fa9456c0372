"""The memory that all workers of the node share: counters of limits, cached responses, metrics.

The supervisor makes it and keeps it, so it outlives every worker and every reload; workers attach by
descriptor.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from dbless_gateway.runtime.cache import RingCache
from dbless_gateway.runtime.counters import SharedCounters
from dbless_gateway.runtime.metrics import SharedMetrics
from dbless_gateway.runtime.metrics_text import Exposition
from dbless_gateway.server.options import ServerSettings


@dataclass(frozen=True, slots=True)
class SharedState:
    """The shared stores of a node."""

    counters: SharedCounters
    cache: RingCache
    metrics: SharedMetrics
    exposition: Exposition  # of the metrics

    @classmethod
    def create(cls, settings: ServerSettings) -> SharedState:
        """Make empty stores; their pages cost nothing until they are used."""
        metrics = SharedMetrics.create(workers=settings.workers)
        return cls(
            SharedCounters.create(workers=settings.workers),
            RingCache.create(ring_bytes=settings.cache_size_bytes, workers=settings.workers),
            metrics,
            Exposition(metrics),
        )

    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """Return (used, capacity) of each, in bytes."""
        return {
            "counters": _sizes(self.counters.fd),
            "cache": _sizes(self.cache.fd),
            "metrics": _sizes(self.metrics.fd),
        }

    def close(self) -> None:
        """Unmap them."""
        self.counters.close()
        self.cache.close()
        self.metrics.close()


def _sizes(fd: int) -> tuple[int, int]:
    stat = os.fstat(fd)
    return stat.st_blocks * 512, stat.st_size
