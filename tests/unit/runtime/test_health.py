"""The registry: counting for the whole node, telling the workers, remembering and forgetting."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dbless_gateway.balancing.health import HEALTHY, MOSTLY_HEALTHY, UNHEALTHY, Report
from dbless_gateway.config.entities import Upstream
from dbless_gateway.runtime.health import FORGET_AFTER_S, TIMELINE_LENGTH, HealthRegistry
from dbless_gateway.runtime.health_messages import (
    REPORT_TOPIC,
    STATE_TOPIC,
    SYNC,
    Address,
    PassiveReport,
    StateChange,
)
from tests.support.local_bus import LocalBus
from tests.support.upstream_entities import healthchecks, upstream

ADDRESS = Address("a.test", "10.0.0.1", 80)
OTHER = Address("10.0.0.2", "10.0.0.2", 80)


class Node:
    """A registry, a worker's end of the bus and a clock."""

    def __init__(self, *upstreams: Upstream) -> None:
        bus = LocalBus()
        self.now = 1000.0
        self.registry = HealthRegistry(bus.end(), lambda: self.now)
        self.registry.adopt(upstreams or [checked()])
        self.worker = bus.end()
        self.heard: list[tuple[Address, str]] = []
        self.worker.subscribe(STATE_TOPIC, self._hear)

    def _hear(self, change: StateChange) -> None:
        assert change.upstream_id == "u"
        self.heard.append((change.address, change.state))

    def report(self, report: Report, status: int = 0, address: Address = ADDRESS) -> None:
        """Report as a worker does."""
        self.worker.publish(REPORT_TOPIC, PassiveReport("u", address, report.value, status))

    @property
    def state(self) -> str:
        """The state of the address."""
        return self.registry.state("u", ADDRESS)


def checked(**changes: Any) -> Upstream:
    """Return an upstream whose passive checks eject after two failed responses or one failed connection."""
    fields: dict[str, Any] = {
        "passive_healthy": {"successes": 2},
        "passive_unhealthy": {"http_failures": 2, "tcp_failures": 1},
        "active_healthy": {"interval": 1, "successes": 1},
    }
    return upstream(healthchecks=healthchecks(**(fields | changes)))


def test_reports_of_all_workers_count_together_and_changes_are_told() -> None:
    node = Node()
    node.report(Report.HTTP_FAILURE, 500)
    assert node.state == MOSTLY_HEALTHY
    node.report(Report.HTTP_FAILURE, 503)
    node.report(Report.HTTP_FAILURE, 503)
    assert not node.registry.is_available("u", ADDRESS)
    assert node.heard == [(ADDRESS, MOSTLY_HEALTHY), (ADDRESS, UNHEALTHY)]
    assert node.registry.state("u", OTHER) == HEALTHY


def test_probes_and_requests_share_counters_but_not_limits() -> None:
    node = Node(checked(active_unhealthy={"http_failures": 3}))
    node.report(Report.HTTP_FAILURE, 500)
    node.registry.report_probe_status("u", ADDRESS, 500)
    assert node.state == MOSTLY_HEALTHY
    node.registry.report_probe_status("u", ADDRESS, 500)
    assert node.state == UNHEALTHY
    node.registry.report_probe_status("u", ADDRESS, 418)
    assert node.state == UNHEALTHY
    node.registry.report_probe_status("u", ADDRESS, 200)
    assert node.state == HEALTHY


def test_timeline_says_what_when_why() -> None:
    node = Node()
    node.report(Report.HTTP_FAILURE, 500)
    node.now += 5
    node.report(Report.TCP_FAILURE)
    node.registry.set_state("u", [ADDRESS], is_healthy=True)
    assert node.registry.timeline("u", ADDRESS) == [
        {
            "at": 1000.0,
            "source": "passive",
            "before": HEALTHY,
            "after": MOSTLY_HEALTHY,
            "reason": "status 500: http_failures 1 of 2",
        },
        {
            "at": 1005.0,
            "source": "passive",
            "before": MOSTLY_HEALTHY,
            "after": UNHEALTHY,
            "reason": "tcp failure: tcp_failures 1 of 1",
        },
        {"at": 1005.0, "source": "manual", "before": UNHEALTHY, "after": HEALTHY, "reason": "set by hand"},
    ]
    assert node.registry.timeline("u", OTHER) == []


def test_timeline_is_bounded() -> None:
    node = Node()
    for _ in range(TIMELINE_LENGTH):
        node.report(Report.TCP_FAILURE)
        node.registry.set_state("u", [ADDRESS], is_healthy=True)
    assert len(node.registry.timeline("u", ADDRESS)) == TIMELINE_LENGTH


@pytest.mark.parametrize("by", ["probe", "hand", "requests"])
def test_recovery(by: str) -> None:
    node = Node()
    node.report(Report.TCP_FAILURE)
    assert node.state == UNHEALTHY
    if by == "probe":
        node.registry.report_probe("u", ADDRESS, Report.SUCCESS, "connected")
    elif by == "hand":
        assert node.registry.set_state("u", [ADDRESS], is_healthy=True)
    else:
        node.report(Report.SUCCESS, 200)
        node.report(Report.SUCCESS, 200)
    assert node.state == HEALTHY
    assert node.heard[-1] == (ADDRESS, HEALTHY)


def test_success_at_an_address_without_a_record_leaves_none() -> None:
    node = Node()
    node.registry.report_probe("u", ADDRESS, Report.SUCCESS, "connected")
    node.report(Report.HTTP_FAILURE, 500)
    assert [event["reason"] for event in node.registry.timeline("u", ADDRESS)] == [
        "status 500: http_failures 1 of 2"
    ]


def test_nothing_counts_where_checking_is_off() -> None:
    node = Node(upstream())
    node.report(Report.TCP_FAILURE)
    node.registry.report_probe("u", ADDRESS, Report.TCP_FAILURE, "refused")
    assert node.state == HEALTHY
    assert not node.registry.is_on("u")
    assert not node.registry.set_state("u", [ADDRESS], is_healthy=False)
    assert not node.registry.set_state("unknown", [ADDRESS], is_healthy=False)
    node.registry.report_probe_status("unknown", ADDRESS, 500)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"passive_unhealthy": {"http_failures": 9, "tcp_failures": 9}}, UNHEALTHY),
        ({"active_healthy": {"interval": 30, "successes": 5}}, UNHEALTHY),
        ({"threshold": 50}, UNHEALTHY),
        ({"active": {"http_path": "/other"}}, HEALTHY),
        ({"passive_unhealthy": {"http_failures": 2, "tcp_failures": 1, "http_statuses": (500,)}}, HEALTHY),
        ({"passive_unhealthy": {}, "active_healthy": {}}, HEALTHY),
    ],
)
def test_a_reload_keeps_what_is_known_unless_the_checks_mean_something_else(
    change: dict[str, Any], state: str
) -> None:
    node = Node()
    node.report(Report.TCP_FAILURE)
    node.registry.adopt([checked(**change)])
    assert state == node.state
    assert node.heard[-1] == (ADDRESS, state)


def test_an_upstream_that_comes_back_is_known() -> None:
    node = Node()
    node.report(Report.TCP_FAILURE)
    node.registry.adopt([])
    node.report(Report.TCP_FAILURE)
    node.now += FORGET_AFTER_S
    node.registry.sweep([])
    node.registry.adopt([checked()])
    assert node.state == UNHEALTHY


def test_what_is_gone_for_long_is_forgotten() -> None:
    node = Node()
    node.report(Report.TCP_FAILURE)
    node.report(Report.TCP_FAILURE, address=OTHER)
    node.registry.adopt([])
    node.now += FORGET_AFTER_S + 1
    node.registry.sweep([("u", OTHER)])
    assert node.state == HEALTHY
    assert node.registry.state("u", OTHER) == UNHEALTHY
    assert node.heard[-1] == (ADDRESS, HEALTHY)
    node.now += FORGET_AFTER_S + 1
    node.registry.sweep([])
    node.registry.adopt([checked()])
    assert node.registry.state("u", OTHER) == HEALTHY


def test_a_late_worker_asks_for_what_is_known() -> None:
    node = Node()
    node.report(Report.TCP_FAILURE)
    node.report(Report.TCP_FAILURE, address=OTHER)
    node.registry.set_state("u", [OTHER], is_healthy=True)
    node.heard.clear()
    node.worker.publish(REPORT_TOPIC, SYNC)
    assert node.heard == [(ADDRESS, UNHEALTHY)]


def test_changes_of_availability_are_warnings(caplog: pytest.LogCaptureFixture) -> None:
    node = Node()
    with caplog.at_level(logging.INFO):
        node.report(Report.HTTP_FAILURE, 500)
        node.report(Report.HTTP_FAILURE, 500)
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.WARNING]
    assert caplog.messages[1] == (
        "upstream u: a.test(10.0.0.1:80) is unhealthy, was mostly_healthy "
        "(passive, status 500: http_failures 2 of 2)"
    )
