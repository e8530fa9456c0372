"""What passive health checks learn from an exchange: its response counts when it is complete, not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dbless_gateway.config.entities import Resilience
from dbless_gateway.runtime.health_messages import REPORT_TOPIC, STATE_TOPIC, TRIAL, StateChange
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage
from tests.support.local_bus import LocalBus
from tests.support.upstream_entities import healthchecks, upstream
from tests.unit.proxy.conftest import MakeStage
from tests.unit.proxy.scenes import Responding

CHECKS = healthchecks(
    passive_healthy={"successes": 1},
    passive_unhealthy={"tcp_failures": 3, "timeouts": 3, "http_failures": 3},
)
BEGINNING = b"HTTP/1.1 %d Begun\r\nContent-Length: 10\r\n\r\n12345"


class Scene:
    """One target, and what is reported of it."""

    def __init__(self, make_stage: MakeStage, plugins: Sequence[object] = (), **fields: Any) -> None:
        entity = upstream(healthchecks=CHECKS, **fields)
        bus = LocalBus()
        self.registry = bus.end()
        self._reports: list[Any] = []
        self.registry.subscribe(REPORT_TOPIC, self._reports.append)
        self.stage: Stage = make_stage(
            targets=[("10.0.0.1:80", 100)],
            upstream=entity,
            service={"host": entity.name, "read_timeout": 1000},
            bus=bus.end(),
            plugins=list(plugins),
        )
        self._reports.clear()  # The worker has asked for all states.

    def begin(self, status: int = 200) -> tuple[FarEnd, FarEnd]:
        """Let half of a response come."""
        client = self.stage.connect()
        client.send(request_bytes())
        target = self.stage.accept()
        target.read_request()
        target.send(BEGINNING % status)
        return client, target

    def reported(self) -> list[str]:
        """Return what was reported since the last time, by name."""
        names = [report.report for report in self._reports]
        self._reports.clear()
        return names

    @property
    def peer(self) -> Any:
        (peer,) = self.stage.runtime.upstreams.for_upstream(upstream().id).peers
        return peer


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (lambda stage, client, target: target.reset(), ["tcp_failures"]),
        (lambda stage, client, target: target.finish(), ["tcp_failures"]),
        (lambda stage, client, target: stage.pass_time(1.0), ["timeouts"]),
        (lambda stage, client, target: client.reset(), []),
    ],
    ids=["reset", "early end", "silence", "the client's own doing"],
)
def test_a_response_that_breaks_off(
    make_stage: MakeStage, break_it: Callable[[Stage, FarEnd, FarEnd], None], expected: list[str]
) -> None:
    """Its good status would clear the count of failures, so that no number of them could eject."""
    scene = Scene(make_stage)
    client, target = scene.begin()
    assert scene.reported() == []
    break_it(scene.stage, client, target)
    assert scene.reported() == expected
    assert scene.peer.in_flight == 0


def test_a_held_response_that_breaks_off(make_stage: MakeStage) -> None:
    scene = Scene(make_stage, plugins=[Responding(lambda ctx: None)])
    client, target = scene.begin()
    target.reset()
    assert scene.reported() == ["tcp_failures"]
    assert scene.peer.in_flight == 0
    assert client.read_response().status == 502


def test_a_body_that_cannot_be_understood(make_stage: MakeStage) -> None:
    scene = Scene(make_stage)
    client = scene.stage.connect()
    client.send(request_bytes())
    target = scene.stage.accept()
    target.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    target.send(b"no size\r\n")
    assert scene.reported() == ["tcp_failures"]
    assert client.is_closed


def test_the_status_counts_when_the_response_is_complete(make_stage: MakeStage) -> None:
    scene = Scene(make_stage)
    client, target = scene.begin(500)
    target.send(b"67890")
    assert client.read_response().status == 500
    assert scene.reported() == ["http_failures"]


def test_the_status_counts_when_the_client_does_not_wait_for_the_rest(make_stage: MakeStage) -> None:
    scene = Scene(make_stage)
    client, _ = scene.begin(500)
    client.reset()
    assert scene.reported() == ["http_failures"]


def test_a_trial_is_passed_by_the_head(make_stage: MakeStage) -> None:
    """A stream of events has no end to wait for."""
    scene = Scene(make_stage, x_resilience=Resilience(0, 0, 1.0, None))
    for state in ("unhealthy", TRIAL):
        change = StateChange(upstream().id, scene.peer.checked_address, state)
        scene.stage.do(scene.registry.publish, STATE_TOPIC, change)
    scene.begin()
    assert scene.reported() == ["trial_passed"]
