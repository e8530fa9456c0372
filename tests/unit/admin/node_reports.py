"""A node's report for tests of the views, and commands that answer with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dbless_gateway.admin.catalog import Catalog
from dbless_gateway.admin.changes import Change, Written
from dbless_gateway.config.problems import Problem
from dbless_gateway.runtime.health_views import HealthViews
from dbless_gateway.runtime.report import NodeReport, ReloadReport, WorkerReport, merge_counts

WORKER = WorkerReport(
    index=0,
    pid=11,
    state="serving",
    version=1,
    configuration_hash="abc",
    started_at=5.0,
    restarts=0,
    resident_bytes=25 * 1024**2,
    counts={},
)
NODE = NodeReport(
    node_id="node",
    version="0.1",
    supervisor_pid=10,
    started_at=1.0,
    configuration_hash="abc",
    configuration_since=2.0,
    serves_last_good=False,
    draining=False,
    workers_wanted=2,
    workers=(WORKER, replace(WORKER, index=1, pid=12)),
    counts=merge_counts([{"total_requests": 7}], {}),
    last_load=ReloadReport("started", 2.0, "000", "abc", 12.34, {"routes": 3}),
    shared_memory_bytes={"cache": (4096, 1024**2)},
)


RECEIPT = ReloadReport("reloaded", 2.0, "abc", "def", 20.0, {"routes": 4})


@dataclass
class FixedCommands:
    """Answers with what it was made with."""

    report: NodeReport = NODE
    receipt: ReloadReport = RECEIPT
    served: Catalog | None = None
    views: HealthViews | None = None
    shown: dict[str, object] = field(default_factory=lambda: {"version": "3.9.1", "database": "off"})
    level: str = "notice"
    texts: list[tuple[str, bool]] = field(default_factory=list)
    problems: Sequence[Problem] = ()
    writes: bool = False
    token: str = ""
    series: str = ""
    changes: list[Change] = field(default_factory=list)
    entity_id: str = ""
    cached: dict[str, Mapping[str, object]] = field(default_factory=dict)

    async def node(self) -> NodeReport:
        return self.report

    def node_now(self) -> NodeReport:
        return self.report

    async def reload(self) -> ReloadReport:
        return self.receipt

    def drain(self) -> None:
        self.report = replace(self.report, draining=True)

    async def serve_text(self, text: str, *, persist: bool) -> Sequence[Problem]:
        self.texts.append((text, persist))
        return self.problems

    def admin_token(self) -> str:
        return self.token

    def can_write(self) -> bool:
        return self.writes

    async def write(self, change: Change) -> Written:
        self.changes.append(change)
        return Written(self.entity_id, is_new=True)

    async def explain(self, query: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        return 200 if "url" in query else 400, {"asked": dict(query)}

    def catalog(self) -> Catalog | None:
        return self.served

    def health(self) -> HealthViews | None:
        return self.views

    def request_metrics(self) -> tuple[str, int]:
        return self.series, 0

    def cached_response(self, cache_key: str) -> Mapping[str, object] | None:
        return self.cached.get(cache_key)

    def forget_cached_response(self, cache_key: str) -> bool:
        return self.cached.pop(cache_key, None) is not None

    def forget_cached_responses(self) -> None:
        self.cached.clear()

    def settings(self) -> dict[str, object]:
        return self.shown

    def log_level(self) -> str:
        return self.level

    def set_log_level(self, level: str) -> None:
        self.level = level


def node(**changes: Any) -> FixedCommands:
    return FixedCommands(replace(NODE, **changes))
