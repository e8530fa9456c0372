"""A node's report for tests of the views, and commands that answer with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

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

    async def node(self) -> NodeReport:
        return self.report

    def node_now(self) -> NodeReport:
        return self.report

    async def reload(self) -> ReloadReport:
        return self.receipt


def node(**changes: Any) -> FixedCommands:
    return FixedCommands(replace(NODE, **changes))
