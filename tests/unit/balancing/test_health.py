"""The state machine of one address, and what counts as what."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.balancing.health import (
    HEALTHY,
    MOSTLY_HEALTHY,
    MOSTLY_UNHEALTHY,
    UNHEALTHY,
    Health,
    Report,
    active_rules,
    is_available,
    is_checked,
    passive_reports,
    passive_rules,
)
from tests.support.upstream_entities import healthchecks

OK, HTTP, TCP, SLOW = Report.SUCCESS, Report.HTTP_FAILURE, Report.TCP_FAILURE, Report.TIMEOUT


def test_trace() -> None:
    """The trace of the reference: limits successes 2, http_failures 3, tcp_failures 1."""
    limits = {OK: 2, HTTP: 3, TCP: 1}
    health = Health()
    for step, (report, success, http, tcp, state) in enumerate(
        [
            (HTTP, 0, 1, 0, MOSTLY_HEALTHY),
            (HTTP, 0, 2, 0, MOSTLY_HEALTHY),
            (OK, 1, 0, 0, MOSTLY_HEALTHY),
            (OK, 2, 0, 0, HEALTHY),
            (HTTP, 0, 1, 0, MOSTLY_HEALTHY),
            (HTTP, 0, 2, 0, MOSTLY_HEALTHY),
            (HTTP, 0, 3, 0, UNHEALTHY),
            (HTTP, 0, 3, 0, UNHEALTHY),
            (OK, 1, 0, 0, MOSTLY_UNHEALTHY),
            (TCP, 0, 0, 1, UNHEALTHY),
            (OK, 1, 0, 0, MOSTLY_UNHEALTHY),
            (OK, 2, 0, 0, HEALTHY),
        ]
    ):
        health.take(report, limits[report])
        assert (success, http, tcp, state) == (
            health.counts[OK],
            health.counts[HTTP],
            health.counts[TCP],
            health.state,
        ), f"step {step}"


@pytest.mark.parametrize(
    ("state", "report", "limit", "counted", "after"),
    [
        (HEALTHY, OK, 1, False, HEALTHY),
        (UNHEALTHY, TCP, 1, False, UNHEALTHY),
        (HEALTHY, TCP, 0, False, HEALTHY),
        (UNHEALTHY, OK, 0, False, UNHEALTHY),
        (HEALTHY, SLOW, 1, True, UNHEALTHY),
        (MOSTLY_HEALTHY, OK, 1, True, HEALTHY),
        (MOSTLY_HEALTHY, HTTP, 9, True, MOSTLY_HEALTHY),
        (MOSTLY_UNHEALTHY, OK, 1, True, HEALTHY),
        (MOSTLY_UNHEALTHY, OK, 9, True, MOSTLY_UNHEALTHY),
        (MOSTLY_UNHEALTHY, SLOW, 9, True, MOSTLY_UNHEALTHY),
        (MOSTLY_UNHEALTHY, SLOW, 1, True, UNHEALTHY),
    ],
)
def test_single_reports(state: str, report: Report, limit: int, counted: bool, after: str) -> None:
    health = Health(state=state)
    assert counted is health.take(report, limit)
    assert after == health.state


def test_failures_of_different_kinds_do_not_add_up() -> None:
    health = Health()
    for report in (HTTP, TCP, SLOW):
        health.take(report, 2)
    assert health.state == MOSTLY_HEALTHY


def test_forcing_clears_the_counters() -> None:
    health = Health()
    health.take(HTTP, 2)
    health.force(UNHEALTHY)
    health.force(HEALTHY)
    health.take(HTTP, 2)
    assert health.state == MOSTLY_HEALTHY


@pytest.mark.parametrize(
    ("state", "expected"),
    [(HEALTHY, True), (MOSTLY_HEALTHY, True), (MOSTLY_UNHEALTHY, False), (UNHEALTHY, False)],
)
def test_availability(state: str, expected: bool) -> None:
    assert expected is is_available(state)


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ({}, False),
        ({"active_healthy": {"interval": 1}}, True),
        ({"active_unhealthy": {"interval": 0.5}}, True),
        ({"passive_unhealthy": {"tcp_failures": 1}}, True),
        ({"passive_unhealthy": {"timeouts": 1}}, True),
        ({"passive_unhealthy": {"http_failures": 1}}, True),
        ({"passive_healthy": {"successes": 1}}, False),
        ({"active_healthy": {"successes": 1}, "active_unhealthy": {"tcp_failures": 1}}, False),
    ],
)
def test_when_checking_is_on(checks: dict[str, Any], expected: bool) -> None:
    assert expected is is_checked(healthchecks(**checks))


def test_statuses() -> None:
    rules = active_rules(
        healthchecks(
            active_healthy={"http_statuses": (200, 500)}, active_unhealthy={"http_statuses": (500, 503)}
        )
    )
    assert [rules.judge(status) for status in (200, 500, 503, 404)] == [OK, OK, HTTP, None]


def test_what_counts_when_requests_end() -> None:
    checks = healthchecks(
        passive_healthy={"http_statuses": (200,), "successes": 1},
        passive_unhealthy={"http_statuses": (500, 504), "http_failures": 2, "timeouts": 3},
    )
    assert passive_reports(checks) == {200: OK, 500: HTTP, 504: SLOW}
    assert passive_rules(checks).limits == {OK: 1, HTTP: 2, TCP: 0, SLOW: 3}


def test_what_has_no_limit_does_not_count_when_requests_end() -> None:
    checks = healthchecks(passive_unhealthy={"tcp_failures": 1})
    assert passive_reports(checks) == {}
