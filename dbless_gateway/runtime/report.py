"""What a node says about itself, as plain values: one report of each worker, merged over workers.

A worker's counts live in its process and end with it. So the totals of workers that have gone are kept as
*retired* and added: a counter never falls because a worker was replaced, while gauges (what is open now) go
with their worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

# Under the names of Kong's ``/status``.
KONG_COUNTERS = ("connections_accepted", "connections_handled", "total_requests")
KONG_GAUGES = ("connections_active", "connections_reading", "connections_waiting", "connections_writing")

COUNTERS = (*KONG_COUNTERS, "requests_refused", "upstream_retries")
GAUGES = (*KONG_GAUGES, "requests_active", "upstream_connections_idle")
# What has no sum: the greatest lateness of a worker's loop.
LOOP_LAG = "loop_lag_us"

# What a configuration is called when there is none; Kong's own convention.
NO_HASH = "0" * 32

# Sentences of a receipt; a change of ten thousand upstreams must not fill the log.
REASONS_MAX = 20


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One worker slot, as the supervisor knows it."""

    index: int
    pid: int
    state: str  # "starting", "serving", "behind", "draining" or "gone"
    version: int  # of the configuration that it serves; 0 for none
    configuration_hash: str
    started_at: float  # wall clock, seconds
    restarts: int
    resident_bytes: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """The outcome of the last attempt to load a configuration."""

    outcome: str  # "started", "reloaded", "unchanged" or "rejected"
    at: float  # wall clock, seconds
    old_hash: str
    new_hash: str | None  # None when there was none to name
    duration_ms: float
    counts: Mapping[str, int] = field(default_factory=dict)  # entities by collection
    problems: tuple[str, ...] = ()  # a line for each
    swap_ms: float = 0.0  # how long the busiest worker's loop was held up by the change itself
    kept: Mapping[str, int] = field(default_factory=dict)  # ``<kind of state>_<kept, reset, new, ...>``
    reasons: tuple[str, ...] = ()  # why what was reset was, at most REASONS_MAX


@dataclass(frozen=True, slots=True)
class LoadTotals:
    """All attempts to load a configuration since the start."""

    succeeded: int = 0  # with those that found nothing new
    rejected: int = 0
    last_success_at: float | None = None  # wall clock, seconds
    last_duration_ms: float = 0.0
    last_swap_ms: float = 0.0

    def after(self, load: ReloadReport) -> LoadTotals:
        """Return the totals with one more attempt."""
        if load.outcome == "rejected":
            return replace(self, rejected=self.rejected + 1)
        is_swap = load.outcome != "unchanged"
        return LoadTotals(
            succeeded=self.succeeded + 1,
            rejected=self.rejected,
            last_success_at=load.at,
            last_duration_ms=load.duration_ms if is_swap else self.last_duration_ms,
            last_swap_ms=load.swap_ms if is_swap else self.last_swap_ms,
        )

    def metrics(self) -> dict[str, float]:
        """Return the values under the names that ``/metrics`` shows; times in seconds."""
        return {
            "dbless_config_loads_total": self.succeeded,
            "dbless_config_loads_rejected_total": self.rejected,
            "dbless_config_last_success_timestamp_seconds": self.last_success_at or 0.0,
            "dbless_config_last_load_duration_seconds": self.last_duration_ms / 1000,
            "dbless_config_last_swap_duration_seconds": self.last_swap_ms / 1000,
        }


class CertificateExpiry(NamedTuple):
    """When a certificate expires, of a chain the one that does so first."""

    kind: str  # "certificate" or "ca_certificate" as entities are called, "listener" for one of the settings
    name: str  # the entity's id, or the setting
    sni: str  # the first of its names, if it has any
    expires_at: float  # wall clock, seconds


@dataclass(frozen=True, slots=True)
class NodeReport:
    """The whole node at one moment."""

    node_id: str
    version: str
    supervisor_pid: int
    started_at: float
    configuration_hash: str  # NO_HASH until one is served
    configuration_since: float | None
    serves_last_good: bool  # the files are invalid, and what was served before the start is served again
    draining: bool
    workers_wanted: int
    workers: tuple[WorkerReport, ...]
    counts: Mapping[str, int]  # merged, with those of workers that have gone
    last_load: ReloadReport | None
    shared_memory_bytes: Mapping[str, tuple[int, int]]  # name -> (used, capacity)
    loads: LoadTotals = LoadTotals()
    certificates: tuple[CertificateExpiry, ...] = ()  # what expires first comes first


def merge_counts(live: Iterable[Mapping[str, int]], retired: Mapping[str, int]) -> dict[str, int]:
    """Return the node's counts: all of the live workers', and the counters of the retired."""
    merged = dict.fromkeys((*COUNTERS, *GAUGES), 0)
    for name in COUNTERS:
        merged[name] += retired.get(name, 0)
    for counts in live:
        for name in merged:
            merged[name] += counts.get(name, 0)
    return merged


def retire(retired: Mapping[str, int], counts: Mapping[str, int]) -> dict[str, int]:
    """Return ``retired`` with the counters of a worker that has gone."""
    return {name: retired.get(name, 0) + counts.get(name, 0) for name in COUNTERS}
