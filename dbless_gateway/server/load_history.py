"""What loads came to: told in the log, and remembered for ``/status``."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from dbless_gateway.config.problems import Problem
from dbless_gateway.runtime.report import NO_HASH, LoadTotals, ReloadReport
from dbless_gateway.server import logs
from dbless_gateway.server.loading import Configuration
from dbless_gateway.server.receipts import Receipt

_log = logging.getLogger(__name__)


class LoadHistory:
    """The loads of a node. Where a load ``began`` is a moment of the monotonic clock."""

    def __init__(self) -> None:
        self.served_since: float | None = None  # Unix time; None until something is served
        self.last: ReloadReport | None = None
        self.totals = LoadTotals()

    def started(self, loaded: Configuration, began: float, node: Mapping[str, Any]) -> None:
        """Note the first one, with what else there is to say about the node."""
        report = _report("started", NO_HASH, loaded, began)
        self._tell(report, loaded, _facts(report) | dict(node))
        self.served_since = report.at

    def unchanged(self, loaded: Configuration, began: float) -> ReloadReport:
        """Note one that is what is served."""
        report = _report("unchanged", loaded.hash, loaded, began)
        return self._moved(report, loaded)

    def reloaded(self, old_hash: str, loaded: Configuration, began: float, receipt: Receipt) -> ReloadReport:
        """Note one that is served from now on."""
        report = receipt.complete(_report("reloaded", old_hash, loaded, began))
        self.served_since = report.at
        return self._moved(report, loaded)

    def rejected(
        self, old_hash: str, new_hash: str | None, reasons: Sequence[str], began: float
    ) -> ReloadReport:
        """Note one that cannot be served."""
        duration_ms = _since_ms(began)
        told = {"serving_hash": old_hash, "problems": len(reasons), "duration_ms": duration_ms}
        logs.event(_log, "error", "rejected: the old configuration goes on serving", **told)
        for reason in reasons:
            logs.event(_log, "error", reason)
        return self._note(
            ReloadReport("rejected", time.time(), old_hash, new_hash, duration_ms, problems=tuple(reasons))
        )

    def _moved(self, report: ReloadReport, loaded: Configuration) -> ReloadReport:
        facts = {"old_hash": report.old_hash} | _facts(report)
        return self._tell(report, loaded, facts | {"swap_ms": report.swap_ms} | dict(report.kept))

    def _tell(self, report: ReloadReport, loaded: Configuration, facts: Mapping[str, Any]) -> ReloadReport:
        for line in lines_of(loaded.warnings):
            logs.event(_log, "warn", line)
        logs.event(_log, "notice", report.outcome, **facts)
        for reason in report.reasons:
            logs.event(_log, "notice", reason)
        return self._note(report)

    def _note(self, report: ReloadReport) -> ReloadReport:
        self.last = report
        self.totals = self.totals.after(report)
        return report


def lines_of(problems: Sequence[Problem]) -> tuple[str, ...]:
    """Return a line for each problem."""
    return tuple(problem.one_line() for problem in problems)


def _report(outcome: str, old_hash: str, loaded: Configuration, began: float) -> ReloadReport:
    return ReloadReport(outcome, time.time(), old_hash, loaded.hash, _since_ms(began), loaded.counts)


def _facts(report: ReloadReport) -> dict[str, Any]:
    return {"hash": report.new_hash, "duration_ms": report.duration_ms, **report.counts}


def _since_ms(began: float) -> float:
    return (time.monotonic() - began) * 1000
