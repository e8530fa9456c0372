"""Client connections: heads in pieces, time limits, limits of size, persistence, drain."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.proxy.options import ProxyOptions
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage
from tests.unit.proxy.conftest import MakeStage

GET = request_bytes()


def serve_one(stage: Stage, client: FarEnd) -> FarEnd:
    """Let one request through; return the target's connection."""
    client.send(GET)
    target = stage.accept()
    target.read_request()
    target.answer(b"x")
    client.read_response()
    return target


class TestTime:
    """What a silent or slow client is given."""

    def test_head_takes_its_time_in_all(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(client_header_timeout=10.0))
        client = stage.connect()
        client.send(GET[:5])
        stage.pass_time(6)
        client.send(GET[5:9])
        stage.pass_time(6)
        assert client.read_response().status == 408
        assert client.is_closed

    def test_time_of_a_head_starts_with_its_first_byte(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(client_header_timeout=10.0, keepalive_timeout=75.0))
        client = stage.connect()
        serve_one(stage, client)
        stage.pass_time(70)
        client.send(GET[:5])
        stage.pass_time(9)
        assert not client.is_closed
        stage.pass_time(1)
        assert client.read_response().status == 408

    def test_kept_connection_ends_silently(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(keepalive_timeout=20.0))
        client = stage.connect()
        serve_one(stage, client)
        stage.pass_time(19)
        assert not client.is_closed
        stage.pass_time(1)
        assert client.is_closed
        assert client.receive() == b""

    def test_partial_head_behind_a_request_has_its_own_time(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(client_header_timeout=10.0))
        client = stage.connect()
        client.send(GET + GET[:5])
        target = stage.accept()
        target.answer(b"x")
        client.read_response()
        stage.pass_time(10)
        assert client.read_response().status == 408


class TestLimits:
    """Limits of a head, each tripped and each just kept."""

    @pytest.mark.parametrize(
        ("options", "head", "status"),
        [
            ({"max_request_line_bytes": 900}, b"GET /" + b"a" * 900, 414),
            ({"max_header_bytes": 1000}, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1000, 431),
            ({"max_header_count": 10}, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200, 431),
        ],
    )
    @pytest.mark.parametrize("end", [b"", b" HTTP/1.1\r\nHost: a\r\n\r\n"])
    def test_exceeded(
        self, make_stage: MakeStage, options: dict[str, Any], head: bytes, status: int, end: bytes
    ) -> None:
        client = make_stage(options=ProxyOptions(**options)).connect()
        client.send(head + end)
        assert client.read_response().status == status
        assert client.is_closed

    @pytest.mark.parametrize("piece_bytes", [1, 100, 100_000])
    def test_just_kept(self, make_stage: MakeStage, piece_bytes: int) -> None:
        line = b"GET /" + b"a" * 881 + b" HTTP/1.1"
        lines = b"\r\nHost: a" + b"\r\nX: y" * 5 + b"\r\nX-Long: "
        size = 3000 - len(line) - len(lines) - 4
        head = line + lines + b"z" * size + b"\r\n\r\n"
        options = ProxyOptions(max_request_line_bytes=len(line), max_header_bytes=3000, max_header_count=9)
        stage = make_stage(options=options)
        client = stage.connect()
        for at in range(0, len(head), piece_bytes):
            client.send(head[at : at + piece_bytes])
        assert stage.is_dialling

    def test_requests_per_connection(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(keepalive_requests=2))
        client = stage.connect()
        target = serve_one(stage, client)
        client.send(GET)
        target.read_request()
        target.answer()
        assert client.read_response().get("Connection") == "close"
        assert client.is_closed


class TestRefusals:
    """Answers to bytes that are no request."""

    def test_words(self, stage: Stage) -> None:
        client = stage.connect()
        client.send(b"nonsense\r\n\r\n")
        response = client.read_response()
        assert (response.status, response.get("Content-Type")) == (400, "text/plain; charset=utf-8")
        assert (response.get("Connection"), response.get("Server")) == ("close", "kong/3.9.1")
        assert response.body.startswith(b"Bad request\nrequest_id: ")

    @pytest.mark.parametrize("kind", ["application/json", "text/html", "application/xml"])
    def test_error_default_type(self, make_stage: MakeStage, kind: str) -> None:
        client = make_stage(options=ProxyOptions(error_default_type=kind)).connect()
        client.send(b"nonsense\r\n\r\n")
        assert client.read_response().get("Content-Type") == f"{kind}; charset=utf-8"

    def test_server_is_silent_on_request(self, make_stage: MakeStage) -> None:
        client = make_stage(options=ProxyOptions(server_tokens=False)).connect()
        client.send(b"nonsense\r\n\r\n")
        assert client.read_response().get("Server") is None

    def test_they_count_and_are_logged(self, stage: Stage) -> None:
        stage.connect().send(b"nonsense\r\n\r\n")
        assert stage.gateway.report()["total_requests"] == 1
        assert "400" in stage.log[-1]


class TestPauses:
    """Reading stops while nobody can take more, and starts again."""

    def test_pipelined_bytes_are_bounded(self, stage: Stage) -> None:
        client = stage.connect()
        client.send(GET)
        client.send(b"GET /" + b"a" * 70_000)
        assert client.is_paused
        stage.accept().answer()
        assert not client.is_paused
        assert [response.status for response in client.read_responses(2)] == [200, 414]


class TestDrain:
    """Finish what is in flight, and take nothing new."""

    def test_idle_connections_close_at_once(self, stage: Stage) -> None:
        client = stage.connect()
        serve_one(stage, client)
        stage.do(stage.gateway.start_draining)
        assert client.is_closed
        assert stage.gateway.is_idle

    def test_request_in_flight_is_answered_then_the_connection_closes(self, stage: Stage) -> None:
        client = stage.connect()
        client.send(GET)
        target = stage.accept()
        stage.do(stage.gateway.start_draining)
        assert not client.is_closed
        target.answer(b"last")
        response = client.read_response()
        assert (response.body, response.get("Connection")) == (b"last", "close")
        assert client.is_closed

    def test_connection_whose_answer_promised_persistence_closes_behind_it(self, stage: Stage) -> None:
        client = stage.connect()
        client.send(GET)
        target = stage.accept()
        target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nla")
        stage.do(stage.gateway.start_draining)
        target.send(b"st")
        assert client.read_response().body == b"last"
        assert client.is_closed

    def test_end_is_announced(self, stage: Stage) -> None:
        client = stage.connect()
        client.send(GET)
        stage.do(stage.gateway.start_draining)
        ended: list[Any] = []
        stage.do(lambda: ended.append(stage.loop.create_task(stage.gateway.drained())))
        assert not ended[0].done()
        stage.accept().answer()
        assert ended[0].done()


@pytest.mark.parametrize(("trusted", "real_ip"), [(True, "9.9.9.9"), (False, "127.0.0.1")])
def test_unix_socket_peer(make_stage: MakeStage, trusted: bool, real_ip: str) -> None:
    """A socket file has no address; it is trusted on request."""
    stage = make_stage(options=ProxyOptions(trust_unix=trusted))
    stage.connect(is_unix=True).send(request_bytes(headers=[("X-Real-IP", "9.9.9.9")]))
    assert stage.accept().read_request().get("X-Real-IP") == real_ip


def test_counts(stage: Stage) -> None:
    client, other = stage.connect(), stage.connect()
    client.send(GET)
    report = stage.gateway.report()
    assert (report["connections_active"], report["connections_waiting"]) == (2, 1)
    assert (report["connections_writing"], report["requests_active"]) == (1, 1)
    other.send(GET[:10])
    report = stage.gateway.report()
    assert (report["connections_reading"], report["connections_waiting"]) == (1, 0)
    other.finish()
    assert stage.gateway.report()["connections_accepted"] == 2
    assert stage.gateway.report()["connections_active"] == 1
