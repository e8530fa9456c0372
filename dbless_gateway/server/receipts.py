"""The receipt of a reload: what was kept, what was made anew and why, as counts and sentences.

Each holder of state says itself what a configuration did to it (balancers in a worker, health in the
supervisor); this module puts that together. Of plugins it tells what changed, because a plugin has no state
of its own: what it counts, caches and queues belongs to the node and is found again by identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from dbless_gateway.config.entities import Entities, Plugin
from dbless_gateway.runtime.report import REASONS_MAX, ReloadReport

# What of a plugin decides what it does; a moved line in the file is no change.
_matters = attrgetter(
    "name", "route", "service", "consumer", "consumer_group", "protocols", "enabled", "config"
)
# Compared between two turns of the loop; probes must not wait for a large table.
_PLUGINS_PER_TURN = 500


@dataclass(slots=True)
class Receipt:
    """What is told about a reload; filled by those who take part in it."""

    swap_ms: float = 0.0  # the longest of all workers
    kept: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def count(self, kind: str, counts: Mapping[str, int]) -> None:
        """Note the counts of one kind of state."""
        self.kept.update({f"{kind}_{what}": count for what, count in counts.items()})

    def explain(self, reasons: Sequence[str]) -> None:
        """Note why something was made anew; what is beyond the limit is counted only."""
        self.reasons += reasons[: max(REASONS_MAX - len(self.reasons), 0)]

    def complete(self, report: ReloadReport) -> ReloadReport:
        """Return the report with what this receipt says."""
        return replace(report, swap_ms=self.swap_ms, kept=dict(self.kept), reasons=tuple(self.reasons))


async def compare_plugins(old: Entities | None, new: Entities) -> dict[str, int]:
    """Return how many plugins are as before, changed, new and gone."""
    before = {plugin.id: plugin for plugin in old.plugins} if old is not None else {}
    counts = {"kept": 0, "changed": 0, "new": 0, "dropped": 0}
    for number, plugin in enumerate(new.plugins, 1):
        counts[_fate(before.pop(plugin.id, None), plugin)] += 1
        if number % _PLUGINS_PER_TURN == 0:
            await asyncio.sleep(0)
    counts["dropped"] = len(before)
    return counts


def _fate(before: Plugin | None, plugin: Plugin) -> str:
    if before is None:
        return "new"
    return "kept" if _matters(before) == _matters(plugin) else "changed"
