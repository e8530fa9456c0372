"""Connections to targets: limits of what they may send, and when they are given back."""

from __future__ import annotations

import pytest

from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage
from tests.unit.proxy.conftest import MakeStage

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    """A gateway that tries once."""
    return make_stage(service={"retries": 0})


def ask(stage: Stage) -> tuple[FarEnd, FarEnd]:
    """Return client and target of a request that waits for its answer."""
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    target.read_request()
    return client, target


@pytest.mark.parametrize(("count", "status"), [(1, 200), (16, 200), (17, 502)])
@pytest.mark.parametrize("at_once", [True, False])
def test_interim_answers_are_swallowed_within_bounds(
    stage: Stage, count: int, status: int, at_once: bool
) -> None:
    client, target = ask(stage)
    interim = b"HTTP/1.1 102 Processing\r\nX-A: 1\r\n\r\n"
    if at_once:
        target.send(interim * count + OK + b"\r\nok")
    else:
        for _ in range(count):
            target.send(interim)
        if not target.is_closed:
            target.send(OK + b"\r\nok")
    assert client.read_response().status == status


@pytest.mark.parametrize(("size", "status"), [(65536, 200), (65537, 502)])
@pytest.mark.parametrize("piece_bytes", [1000, 100_000])
def test_heads_are_bounded(stage: Stage, size: int, status: int, piece_bytes: int) -> None:
    client, target = ask(stage)
    head = OK + b"X: " + b"y" * (size - len(OK) - len(b"X: \r\n\r\n")) + b"\r\n\r\n"
    assert len(head) == size
    for at in range(0, size, piece_bytes):
        if not target.is_closed:
            target.send(head[at : at + piece_bytes])
    if not target.is_closed:
        target.send(b"ok")
    assert client.read_response().status == status


def test_count_of_interim_answers_is_each_requests_own(stage: Stage) -> None:
    client, target = ask(stage)
    for number in range(3):
        if number:
            client.send(request_bytes())
            target.read_request()
        target.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 10 + OK + b"\r\nok")
        assert client.read_response().status == 200


def test_target_that_closes_while_being_dialled_is_tried_no_further(make_stage: MakeStage) -> None:
    """Nothing was sent yet, so even a POST is tried again elsewhere."""
    stage = make_stage(service={"retries": 1})
    client = stage.connect()
    client.send(request_bytes("POST", body=b"x"))
    stage.accept(before=b"220 welcome\r\n")
    target = stage.accept()
    assert target.read_request().body == b"x"
    target.answer(b"ok")
    assert client.read_response().body == b"ok"


def test_given_back_only_when_both_sides_are_done(make_stage: MakeStage) -> None:
    stage = make_stage(route={"request_buffering": False})
    client = stage.connect()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    target = stage.accept()
    target.send(OK + b"\r\no")
    assert stage.runtime.pools.count() == 0
    client.send(b"cd")
    assert stage.runtime.pools.count() == 0
    target.send(b"k")
    assert client.read_response().body == b"ok"
    assert stage.runtime.pools.count() == 1
