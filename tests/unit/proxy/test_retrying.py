"""Retries under the conditions of ``x_resilience.retry``, seen from a client."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.config.entities import Resilience, Retry
from dbless_gateway.runtime.retry_budget import RETRIES_HELD_MAX
from tests.support.client import request_bytes
from tests.support.exchange_script import Stage
from tests.support.upstream_entities import upstream
from tests.unit.proxy.conftest import MakeStage

TARGETS = [("10.0.0.1:80", 100), ("10.0.0.2:80", 100), ("10.0.0.3:80", 100)]
# Far longer than any condition's times.
SERVICE: dict[str, Any] = {"connect_timeout": 60_000, "read_timeout": 60_000, "retries": 5}


def retrying(make_stage: MakeStage, service: dict[str, Any] | None = None, **conditions: Any) -> Stage:
    """Return a gateway before three targets, with these conditions."""
    rules = {"statuses": (), "methods": None, "try_timeout": 0, "deadline": 0, "budget": 0} | conditions
    entity = upstream(x_resilience=Resilience(0, 0, 0, Retry(**rules)))
    return make_stage(
        targets=TARGETS, upstream=entity, service={**SERVICE, "host": entity.name, **(service or {})}
    )


def answer(stage: Stage, status: str, body: bytes = b"") -> tuple[str, int]:
    """Answer the try that is dialled; return where it went."""
    address = stage.dialled_address()
    target = stage.accept()
    target.read_request()
    target.answer(body, status)
    return address


def test_a_refused_status_is_tried_elsewhere(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, statuses=(502, 503))
    client = stage.connect()
    client.send(request_bytes())
    tried = [answer(stage, "503 No", b"busy"), answer(stage, "502 No"), answer(stage, "200 OK", b"well")]
    assert len(set(tried)) == 3
    assert client.read_response().body == b"well"
    assert all(peer.in_flight == 0 for peer in stage.runtime.upstreams.for_upstream(upstream().id).peers)
    assert [found.tries_left for found in stage.finished] == [3]


def test_other_statuses_are_passed_on(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, statuses=(502,))
    client = stage.connect()
    client.send(request_bytes())
    answer(stage, "500 No")
    assert client.read_response().status == 500


def test_the_last_answer_is_passed_on_whatever_its_status(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, {"retries": 1}, statuses=(503,))
    client = stage.connect()
    client.send(request_bytes())
    answer(stage, "503 No", b"first")
    answer(stage, "503 No", b"second")
    response = client.read_response()
    assert (response.status, response.body) == (503, b"second")


def test_a_refused_answer_whose_body_is_still_coming_is_dropped(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, statuses=(503,))
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    target.read_request()
    target.send(b"HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\npart")
    assert target.is_closed
    answer(stage, "200 OK", b"well")
    assert client.read_response().body == b"well"


@pytest.mark.parametrize(
    ("method", "methods", "is_retried"),
    [
        ("GET", None, True),
        ("POST", None, False),
        ("POST", ("POST",), True),
        ("GET", ("POST",), False),
    ],
)
def test_methods_decide(
    make_stage: MakeStage, method: str, methods: tuple[str, ...] | None, is_retried: bool
) -> None:
    stage = retrying(make_stage, statuses=(503,), methods=methods)
    client = stage.connect()
    client.send(request_bytes(method))
    answer(stage, "503 No")
    assert stage.is_dialling is is_retried


def test_a_body_is_sent_again(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, statuses=(503,))
    client = stage.connect()
    client.send(request_bytes("PUT", body=b"all of it"))
    answer(stage, "503 No")
    assert stage.accept().read_request().body == b"all of it"


def test_a_try_has_its_own_time(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, try_timeout=2)
    client = stage.connect()
    client.send(request_bytes())
    slow = stage.accept()
    slow.read_request()
    stage.pass_time(2)
    assert slow.is_closed
    answer(stage, "200 OK", b"quick")
    assert client.read_response().body == b"quick"


def test_connecting_counts_for_the_time_of_a_try(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, try_timeout=2)
    client = stage.connect()
    client.send(request_bytes())
    first = stage.dialled_address()
    stage.pass_time(2)
    stage.loop.dials.popleft()
    assert answer(stage, "200 OK") != first
    assert client.read_response().status == 200


def test_a_response_that_has_begun_may_take_its_time(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, try_timeout=2, deadline=3)
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    target.read_request()
    target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwe")
    stage.pass_time(30)
    target.send(b"ll")
    assert client.read_response().body == b"well"


def test_all_tries_together_have_a_deadline(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, try_timeout=2, deadline=3)
    client = stage.connect()
    client.send(request_bytes())
    for seconds in (2, 1):
        stage.accept().read_request()
        stage.pass_time(seconds)
    assert client.read_response().status == 504
    assert not stage.is_dialling


def test_a_budget_bounds_retries(make_stage: MakeStage) -> None:
    stage = retrying(make_stage, {"retries": 100}, statuses=(503,), budget=1)
    client = stage.connect()
    client.send(request_bytes())
    tries = 0
    while stage.is_dialling:
        target = stage.accept()
        target.read_request()
        target.answer(b"busy", "503 No", "Connection: close")
        tries += 1
    assert client.read_response().status == 503
    assert tries == RETRIES_HELD_MAX + 1
