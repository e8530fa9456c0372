"""The health of one address as a pure state machine, with Kong's counting.

Four states; the first two may be picked. A *report* is a success or one of three kinds of failure. It counts
against its own limit (the limits of active and passive checks differ, the counters are shared):

1. Limit 0 switches the kind off. A report that agrees with a full state (a success while ``healthy``, a
   failure while ``unhealthy``) is ignored.
2. It raises its counter; a success clears the failure counters, a failure clears the success counter.
3. A counter at its limit makes the state full. Below it, a full state of the opposite colour becomes a
   ``mostly_`` one, which only a counter at its limit ends.

Nothing here knows addresses, time or who reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from dbless_gateway.config.entities import ActiveUnhealthy, Healthchecks, PassiveUnhealthy

HEALTHY: Final = "healthy"
MOSTLY_HEALTHY: Final = "mostly_healthy"
MOSTLY_UNHEALTHY: Final = "mostly_unhealthy"
UNHEALTHY: Final = "unhealthy"

# The gateway of the target timed out, which says the same as a timeout of ours.
_GATEWAY_TIMEOUT: Final = 504


class Report(StrEnum):
    """What an event says about an address; the value is the name of the limit it counts against."""

    SUCCESS = "successes"
    HTTP_FAILURE = "http_failures"
    TCP_FAILURE = "tcp_failures"
    TIMEOUT = "timeouts"


FAILURES: Final = (Report.HTTP_FAILURE, Report.TCP_FAILURE, Report.TIMEOUT)


def is_available(state: str) -> bool:
    """Return whether an address in this state may be picked."""
    return state in (HEALTHY, MOSTLY_HEALTHY)


@dataclass(slots=True)
class Health:
    """State and counters of one address."""

    state: str = HEALTHY
    counts: dict[Report, int] = field(default_factory=lambda: dict.fromkeys(Report, 0))

    def take(self, report: Report, limit: int) -> bool:
        """Count a report; return whether it counted at all."""
        is_success = report is Report.SUCCESS
        if limit == 0 or self.state == (HEALTHY if is_success else UNHEALTHY):
            return False
        self.counts[report] += 1
        for opposite in FAILURES if is_success else (Report.SUCCESS,):
            self.counts[opposite] = 0
        if self.counts[report] >= limit:
            self.state = HEALTHY if is_success else UNHEALTHY
        elif self.state == HEALTHY:
            self.state = MOSTLY_HEALTHY
        elif self.state == UNHEALTHY:
            self.state = MOSTLY_UNHEALTHY
        return True

    def force(self, state: str) -> None:
        """Set the state by hand and begin to count anew."""
        self.state = state
        self.counts = dict.fromkeys(Report, 0)


def is_checked(checks: Healthchecks) -> bool:
    """Return whether health checking is on for an upstream."""
    passive = checks.passive.unhealthy
    return bool(
        checks.active.healthy.interval
        or checks.active.unhealthy.interval
        or passive.tcp_failures
        or passive.timeouts
        or passive.http_failures
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """What of one kind of check (active or passive) counts, and how often it may."""

    healthy_statuses: frozenset[int]
    unhealthy_statuses: frozenset[int]
    limits: Mapping[Report, int]

    def judge(self, status: int) -> Report | None:
        """Return what a status says; one in both lists is healthy, one in neither says nothing."""
        if status in self.healthy_statuses:
            return Report.SUCCESS
        return Report.HTTP_FAILURE if status in self.unhealthy_statuses else None


def active_rules(checks: Healthchecks) -> Rules:
    """Return the rules for the outcomes of probes."""
    healthy, unhealthy = checks.active.healthy, checks.active.unhealthy
    return _rules(healthy.http_statuses, healthy.successes, unhealthy)


def passive_rules(checks: Healthchecks) -> Rules:
    """Return the rules for the outcomes of requests."""
    healthy, unhealthy = checks.passive.healthy, checks.passive.unhealthy
    return _rules(healthy.http_statuses, healthy.successes, unhealthy)


def passive_reports(checks: Healthchecks) -> Mapping[int, Report]:
    """Return status -> report for those that count when a request ends.

    The hot path looks each status up here; most are absent, and then nothing happens.
    """
    rules = passive_rules(checks)
    statuses = rules.healthy_statuses | rules.unhealthy_statuses
    found = {status: rules.judge(status) for status in statuses} | {_GATEWAY_TIMEOUT: Report.TIMEOUT}
    return {status: report for status, report in found.items() if report is not None and rules.limits[report]}


def _rules(
    healthy_statuses: tuple[int, ...], successes: int, unhealthy: ActiveUnhealthy | PassiveUnhealthy
) -> Rules:
    limits = {
        Report.SUCCESS: successes,
        Report.HTTP_FAILURE: unhealthy.http_failures,
        Report.TCP_FAILURE: unhealthy.tcp_failures,
        Report.TIMEOUT: unhealthy.timeouts,
    }
    return Rules(frozenset(healthy_statuses), frozenset(unhealthy.http_statuses), limits)
