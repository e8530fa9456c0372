"""Several requests on one connection, and connections that stop being HTTP: who may say what, and when."""

from __future__ import annotations

import pytest

from dbless_gateway.proxy.options import ProxyOptions
from tests.compat.wire.corpus import HOST, Seen, check_passed, play
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage

UPGRADE = (
    b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SMUGGLED = b"GET /evil HTTP/1.1\r\nHost: evil.test\r\n\r\n"


def chunked(target: str, body: bytes) -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


class TestPipelining:
    """Requests sent ahead of their turn."""

    def test_every_framing_in_one_segment(self) -> None:
        raw = (
            request_bytes(target="/1")
            + chunked("/2", b"two")
            + request_bytes("POST", "/3", body=b"three")
            + b"POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
            + chunked("/5", SMUGGLED)
        )
        stage = Stage(service={"retries": 0})
        client = stage.connect()
        client.send(raw)
        target = stage.accept()
        seen = []
        for _ in range(5):
            request = target.read_request()
            seen.append((request.target, request.body))
            target.answer(request.target.encode())
        assert seen == [("/1", b""), ("/2", b"two"), ("/3", b"three"), ("/4", b""), ("/5", SMUGGLED)]
        assert [answer.body for answer in client.read_responses(5)] == [b"/%d" % n for n in range(1, 6)]

    def test_hundreds(self) -> None:
        stage = Stage()
        client = stage.connect()
        client.send(b"".join(request_bytes(target=f"/{number}") for number in range(500)))
        target = stage.accept()
        for number in range(500):
            assert target.read_request().target == f"/{number}"
            target.answer(b"%d" % number)
        assert [answer.body for answer in client.read_responses(500)] == [b"%d" % n for n in range(500)]
        assert not stage.bugs

    def test_flood_is_slowed_down(self) -> None:
        """What waits for its turn is bounded; the client waits with it."""
        stage = Stage()
        client = stage.connect()
        client.send(request_bytes())
        for _ in range(50):
            client.send(request_bytes() * 100)
        assert client.is_paused
        target = stage.accept()
        for _ in range(5001):
            target.receive()
            target.answer()
        assert len(client.read_responses(5001)) == 5001
        assert not client.is_paused

    def test_refusal_comes_behind_the_answers_before_it(self) -> None:
        played = play(request_bytes(target="/1") + b"nonsense\r\n\r\n")
        assert ([seen.target for seen in played.seen], played.statuses) == (["/1"], [200, 400])
        assert played.is_closed

    def test_answers_never_overtake(self) -> None:
        stage = Stage(route={"paths": ("/slow",)})
        client = stage.connect()
        client.send(request_bytes(target="/slow") + request_bytes(target="/404"))
        target = stage.accept()
        assert client.receive() == b""
        target.answer(b"slow")
        assert [answer.status for answer in client.read_responses(2)] == [200, 404]


class TestUpgrade:
    """Only websocket, only when both sides agree, and only without a body."""

    def start(self, raw: bytes = UPGRADE) -> tuple[Stage, FarEnd, FarEnd]:
        stage = Stage(service={"retries": 0})
        client = stage.connect()
        client.send(raw)
        return stage, client, stage.accept()

    def test_agreed(self) -> None:
        _, client, target = self.start()
        request = target.read_request()
        assert (request.get("Connection"), request.get("Upgrade")) == ("keep-alive, Upgrade", "websocket")
        target.send(SWITCHED + b"early frame")
        response = client.read_head()
        assert (response.get("Connection"), response.get("Upgrade")) == ("Upgrade", "websocket")
        assert client.receive() == b"early frame"
        client.send(SMUGGLED)
        assert target.receive() == SMUGGLED, "no HTTP any more: frames may look like anything"

    def test_refused_by_the_target(self) -> None:
        """What the client sent ahead is then a request like any other."""
        stage, client, target = self.start(UPGRADE + request_bytes(target="/next"))
        target.read_request()
        target.answer(b"no", "403 Forbidden")
        assert target.read_request().target == "/next"
        target.answer(b"next")
        assert [answer.body for answer in client.read_responses(2)] == [b"no", b"next"]
        assert not stage.bugs

    def test_frames_ahead_of_the_answer_wait(self) -> None:
        _, client, target = self.start(UPGRADE + b"early frame")
        target.read_request()
        assert target.receive() == b""
        target.send(SWITCHED)
        assert target.receive() == b"early frame"
        assert client.read_head().start_line.startswith("HTTP/1.1 101 ")

    @pytest.mark.parametrize(
        "lines",
        [
            b"Upgrade: websocket\r\n",
            b"Connection: Upgrade\r\n",
            b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
            b"Connection: xupgrade\r\nUpgrade: websocket\r\n",
        ],
    )
    def test_half_asked_is_not_asked(self, lines: bytes) -> None:
        raw = b"GET /a HTTP/1.1\r\n" + HOST + lines + b"\r\n"
        check_passed(raw, Seen("GET", "/a", [("Upgrade", ""), ("Connection", "keep-alive")]))

    def test_http_10_cannot_upgrade(self) -> None:
        raw = UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0")
        check_passed(raw, Seen("GET", "/ws", [("Upgrade", "")]), keeps=False)

    @pytest.mark.parametrize(
        ("framing", "body"),
        [(b"Content-Length: 3\r\n", b"abc"), (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n")],
    )
    def test_body_and_upgrade_do_not_go_together(self, framing: bytes, body: bytes) -> None:
        """Where the body ends and frames begin, the two sides could see differently."""
        raw = UPGRADE[:-2] + framing + b"\r\n" + body
        check_passed(raw, Seen("GET", "/ws", [("Upgrade", ""), ("Connection", "keep-alive")], b"abc"))

    def test_switch_to_something_else_is_refused(self) -> None:
        stage, client, target = self.start()
        target.send(SWITCHED.replace(b"websocket", b"h2c"))
        assert client.read_response().status == 502
        assert target.is_closed
        assert not stage.bugs


def test_slow_head_is_cut_off() -> None:
    stage = Stage(options=ProxyOptions(client_header_timeout=10.0))
    client = stage.connect()
    for byte in b"GET / HTTP":
        client.send(bytes([byte]))
        stage.pass_time(1.1)
    assert client.read_response().status == 408
    assert client.is_closed


def test_silent_connection_is_closed_without_an_answer() -> None:
    stage = Stage(options=ProxyOptions(client_header_timeout=10.0))
    client = stage.connect()
    stage.pass_time(10)
    assert client.is_closed
    assert client.receive() == b""
