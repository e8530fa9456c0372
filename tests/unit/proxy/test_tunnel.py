"""After an upgrade: bytes both ways, with flow control and an idle limit."""

from __future__ import annotations

import pytest

from tests.support.exchange_script import FarEnd, Stage
from tests.unit.proxy.conftest import MakeStage

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def open_tunnel(stage: Stage) -> tuple[FarEnd, FarEnd]:
    client = stage.connect()
    client.send(UPGRADE)
    target = stage.accept()
    assert target.read_request().get("Sec-WebSocket-Version") == "13"
    target.send(SWITCHED)
    assert client.read_head().start_line == "HTTP/1.1 101 Switching Protocols"
    return client, target


def test_bytes_pass_both_ways(stage: Stage) -> None:
    client, target = open_tunnel(stage)
    client.send(b"\x81\x05hello")
    assert target.receive() == b"\x81\x05hello"
    target.send(b"\x81\x02hi")
    assert client.receive() == b"\x81\x02hi"


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("how", ["finish", "reset"])
def test_end_of_one_side_ends_the_other(stage: Stage, who: int, how: str) -> None:
    ends = open_tunnel(stage)
    ends[1 - who].transport.deliver(b"last words")
    getattr(ends[who], how)()
    assert ends[1 - who].is_closed
    assert ends[who].receive() == b"last words"
    assert [exchange.status for exchange in stage.finished] == [101]
    assert stage.gateway.is_idle
    assert stage.runtime.pools.count() == 0


def test_unsent_bytes_arrive_before_the_end(stage: Stage) -> None:
    client, target = open_tunnel(stage)
    client.stop_reading()
    target.send(b"bye")
    target.finish()
    assert not client.is_closed
    client.read_again()
    assert client.receive() == b"bye"
    assert client.is_closed


def test_each_side_waits_for_the_other(stage: Stage) -> None:
    client, target = open_tunnel(stage)
    for full, sender in ((client, target), (target, client)):
        full.stop_reading()
        sender.send(b"x" * 600_000)
        assert sender.is_paused
        full.read_again()
        assert not sender.is_paused
        assert len(full.receive()) == 600_000


def test_silence_ends_it(make_stage: MakeStage) -> None:
    stage = make_stage(service={"read_timeout": 30_000, "write_timeout": 20_000})
    client, target = open_tunnel(stage)
    for _ in range(3):
        stage.pass_time(15)
        client.send(b"ping")
        stage.pass_time(15)
        target.send(b"pong")
    assert not client.is_closed
    stage.pass_time(20)
    assert client.is_closed
    assert target.is_closed


def test_it_outlives_a_reload(make_stage: MakeStage) -> None:
    stage = make_stage()
    client, target = open_tunnel(stage)
    stage.gateway.swap(make_stage(route={"paths": ("/other",)}).snapshot)
    client.send(b"still here")
    assert target.receive() == b"still here"


def test_sizes_and_status_are_logged(stage: Stage) -> None:
    client = stage.connect()
    client.send(UPGRADE)
    target = stage.accept()
    target.send(SWITCHED)
    head_size = len(client.receive())
    target.send(b"12345")
    client.finish()
    assert (stage.finished[0].status, stage.finished[0].response_size) == (101, head_size + 5)
