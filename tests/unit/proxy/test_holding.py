"""The phase response: plugins that see a whole response before anything of it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dbless_gateway.http1.response_head import parse_response_head
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.proxy.holding import HeldResponse
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage
from tests.unit.proxy.conftest import MakeStage
from tests.unit.proxy.scenes import (
    CHUNKED_ANSWER,
    GET,
    Phases,
    Responding,
    exchange_until_the_answer,
    raise_error,
)

LARGE_BYTES = 8 * 1024 * 1024 + 1
POST_BEGUN = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab"


class Watcher:
    """A plugin that only notes what it sees, and may wait until the test lets it go on."""

    def __init__(self, waits: bool = False) -> None:
        self.bodies: list[bytes | None] = []
        self.outcome: asyncio.Future[Reply | None] | None = None
        self.was_cancelled = False
        self._waits = waits

    def response(self, ctx: Any) -> Awaitable[Reply | None] | None:
        self.bodies.append(ctx.response_body)
        return self._wait(ctx) if self._waits else None

    async def _wait(self, ctx: Any) -> Reply | None:
        self.outcome = ctx.gateway.loop.create_future()
        try:
            return await self.outcome
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise

    def go_on(self, stage: Stage, reply: Reply | None = None) -> None:
        assert self.outcome is not None
        stage.do(self.outcome.set_result, reply)


def send_large(target: FarEnd) -> None:
    """Send the head of a response that is larger than what is held, and all of it but the last byte."""
    target.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGE_BYTES + 1))
    target.send(b"x" * LARGE_BYTES)


class TestHolding:
    """Nothing is sent before the plugins have seen it."""

    def test_steps_see_the_whole_body_at_once(self, make_stage: MakeStage) -> None:
        watcher = Watcher()
        stage = make_stage(plugins=[watcher])
        client, target = exchange_until_the_answer(stage)
        target.send(CHUNKED_ANSWER + b"2\r\nab\r\n")
        target.send(b"1\r\nc\r\n")

        assert (client.receive(), watcher.bodies) == (b"", [])

        target.send(b"0\r\nX-Trailer: lost\r\n\r\n")
        response = client.read_response()

        assert watcher.bodies == [b"abc"]
        assert (response.status, response.body, response.get("Content-Length")) == (200, b"abc", "3")
        assert response.get("X-Kong-Upstream-Latency") is not None
        assert response.get("Transfer-Encoding") is None

    def test_connections_are_kept(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[Watcher()])
        client, target = exchange_until_the_answer(stage)
        for _ in range(3):
            target.answer(b"again")
            assert client.read_response().body == b"again"
            client.send(GET)
            target.read_request()

    def test_body_until_close(self, make_stage: MakeStage) -> None:
        watcher = Watcher()
        stage = make_stage(plugins=[watcher])
        client, target = exchange_until_the_answer(stage)
        target.send(b"HTTP/1.1 200 OK\r\n\r\nab")
        target.finish()
        assert client.read_response().body == b"ab"
        assert watcher.bodies == [b"ab"]

    def test_order_of_phases(self, make_stage: MakeStage) -> None:
        order: list[str] = []

        def noting(name: str) -> Responding:
            return Responding(lambda ctx: order.append(name))

        other = Phases(
            header_filter=lambda ctx: order.append("header_filter"),
            body_filter=lambda ctx, chunk, last: order.append("body_filter"),
            log=lambda ctx: order.append(f"log {ctx.response.status} {ctx.source}"),
        )
        stage = make_stage(plugins=[other, noting("response 1"), noting("response 2")])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"body")
        client.read_response()
        assert order == ["response 1", "response 2", "header_filter", "body_filter", "log 200 upstream"]

    def test_answers_of_the_gateway_itself_are_not_held(self, make_stage: MakeStage) -> None:
        watcher = Watcher()
        stage = make_stage(plugins=[Phases(access=lambda ctx: Reply(403, b"no")), watcher])
        client = stage.connect()
        client.send(GET)
        assert client.read_response().status == 403
        assert watcher.bodies == []

    @pytest.mark.parametrize(
        ("method", "answer", "length"),
        [
            ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "4"),
            ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", "4"),
            ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
            ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "0"),
        ],
    )
    def test_answer_without_body_stays_as_it_is(
        self, make_stage: MakeStage, method: str, answer: bytes, length: str | None
    ) -> None:
        watcher = Watcher()
        stage = make_stage(plugins=[watcher])
        client, target = exchange_until_the_answer(stage, request_bytes(method))
        target.send(answer)
        assert client.read_response(method).get("Content-Length") == length
        assert (watcher.bodies, client.receive()) == ([b""], b"")


class TestChanging:
    """What the steps write is what the client gets."""

    def get(
        self, make_stage: MakeStage, change: Callable[[Any], Any], answer: bytes, method: str = "GET"
    ) -> Any:
        stage = make_stage(plugins=[Responding(change)])
        client, target = exchange_until_the_answer(stage, request_bytes(method))
        target.send(answer)
        response = client.read_response(method)
        assert client.receive() == b""
        client.send(GET)
        assert not client.is_closed
        return response

    def test_all_of_it(self, make_stage: MakeStage) -> None:
        def change(ctx: Any) -> None:
            ctx.set_response_body(ctx.response_body.upper() + b"!")
            ctx.response.status = 418
            ctx.response.headers.set("Content-Type", "text/plain")
            ctx.response.headers.remove("X-Old")
            ctx.response.headers.add("X-Length", str(len(ctx.response_body)))

        answer = b"HTTP/1.1 200 OK\r\nX-Old: 1\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nab"
        response = self.get(make_stage, change, answer)

        assert (response.status, response.body) == (418, b"AB!")
        assert response.get("Content-Type") == "text/plain; charset=UTF-8"
        assert (response.get("X-Old"), response.get("X-Length")) == (None, "3")
        assert response.get("Content-Length") == "3"

    def test_server_that_was_taken_away_is_the_gateway(self, make_stage: MakeStage) -> None:
        answer = b"HTTP/1.1 200 OK\r\nServer: theirs\r\nContent-Length: 2\r\n\r\nab"
        response = self.get(make_stage, lambda ctx: ctx.response.headers.remove("Server"), answer)
        assert response.get("Server").startswith("kong/")

    @pytest.mark.parametrize(
        ("before", "after", "body", "length"),
        [
            ("200 OK", 204, b"", None),
            ("200 OK", 304, b"", None),
            ("204 No Content", 200, b"", "0"),
            ("304 Not Modified", 200, b"", "0"),
            ("200 OK", 599, b"ab", "2"),
        ],
    )
    def test_status(
        self, make_stage: MakeStage, before: str, after: int, body: bytes, length: str | None
    ) -> None:
        def change(ctx: Any) -> None:
            ctx.response.status = after

        has_body = before.startswith("200")
        answer = f"HTTP/1.1 {before}\r\nContent-Length: 2\r\n\r\n{'ab' if has_body else ''}".encode()
        response = self.get(make_stage, change, answer)

        assert (response.status, response.body, response.get("Content-Length")) == (after, body, length)

    @pytest.mark.parametrize(
        ("method", "status", "shown"), [("HEAD", "200 OK", b""), ("GET", "304 Not Modified", b"")]
    )
    def test_body_that_nobody_may_get(
        self, make_stage: MakeStage, method: str, status: str, shown: bytes
    ) -> None:
        answer = f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n".encode()
        response = self.get(make_stage, lambda ctx: ctx.set_response_body(b"new"), answer, method)
        assert response.body == shown

    def test_answer_in_the_targets_place(self, make_stage: MakeStage) -> None:
        seen: list[tuple[str, int | None]] = []
        note = Phases(log=lambda ctx: seen.append((ctx.source, ctx.response.status)))
        stage = make_stage(
            plugins=[
                note,
                Responding(lambda ctx: Reply(403, b"secret", (("X-By", "plugin"),))),
                raise_if_run(),
            ]
        )
        client, target = exchange_until_the_answer(stage)
        target.answer(b"a card number")
        response = client.read_response()
        assert (response.status, response.body, response.get("X-By")) == (403, b"secret", "plugin")
        assert response.get("X-Kong-Response-Latency") is not None
        assert seen == [("kong", 403)]
        client.send(GET)
        target.read_request()

    def test_body_is_replaced_nowhere_else(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[Phases(header_filter=lambda ctx: ctx.set_response_body(b"x"))])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"body")
        assert client.read_response().status == 500
        assert "in the phase response only" in str(stage.bugs[0].exc_info)
        stage.bugs.clear()

    def test_other_phases_see_no_body(self, make_stage: MakeStage) -> None:
        seen: list[bytes | None] = []
        stage = make_stage(plugins=[Phases(header_filter=lambda ctx: seen.append(ctx.response_body))])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"body")
        client.read_response()
        assert seen == [None]


def raise_if_run() -> Responding:
    return Responding(raise_error)


class TestWaiting:
    """Steps that wait hold the response as long as they do."""

    def test_response_waits_for_the_step(self, make_stage: MakeStage) -> None:
        watcher = Watcher(waits=True)
        stage = make_stage(plugins=[watcher])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"body")
        stage.pass_time(1000)
        assert client.receive() == b""
        watcher.go_on(stage)
        assert client.read_response().body == b"body"

    def test_answer_of_a_step_that_waited(self, make_stage: MakeStage) -> None:
        watcher = Watcher(waits=True)
        stage = make_stage(plugins=[watcher])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"body")
        watcher.go_on(stage, Reply(451))
        assert client.read_response().status == 451

    def test_client_that_goes_away_ends_the_wait(self, make_stage: MakeStage) -> None:
        watcher = Watcher(waits=True)
        stage = make_stage(plugins=[watcher, Phases()])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"body")
        client.reset()
        stage.pass_time(1)
        assert watcher.was_cancelled
        assert [exchange.response.status for exchange in stage.finished] == [499]

    def test_upload_that_goes_on_meanwhile(self, make_stage: MakeStage) -> None:
        watcher = Watcher(waits=True)
        stage = make_stage(plugins=[watcher], route={"request_buffering": False})
        client = stage.connect()
        client.send(POST_BEGUN)
        target = stage.accept()
        target.answer(b"early")
        client.send(b"cd")
        watcher.go_on(stage)
        assert client.read_response().body == b"early"
        client.send(GET)
        stage.accept().read_request()


class TestLarge:
    """What is too large to be held is shown as None, and streams."""

    def test_it_streams_behind_the_steps(self, make_stage: MakeStage) -> None:
        watcher = Watcher()
        stage = make_stage(plugins=[watcher])
        client, target = exchange_until_the_answer(stage)
        send_large(target)
        assert watcher.bodies == [None]
        assert client.receive().endswith(b"x" * LARGE_BYTES)
        target.send(b"y")
        assert client.receive() == b"y"

    def test_target_waits_while_a_step_does(self, make_stage: MakeStage) -> None:
        watcher = Watcher(waits=True)
        stage = make_stage(plugins=[watcher])
        client, target = exchange_until_the_answer(stage)
        send_large(target)
        assert target.is_paused
        watcher.go_on(stage)
        assert not target.is_paused
        target.send(b"y")
        assert len(client.read_response().body) == LARGE_BYTES + 1

    @pytest.mark.parametrize("status", [200, 204])
    def test_it_can_be_replaced(self, make_stage: MakeStage, status: int) -> None:
        def change(ctx: Any) -> None:
            ctx.response.status = status
            ctx.set_response_body(b"too large")

        stage = make_stage(plugins=[Responding(change)])
        client, target = exchange_until_the_answer(stage)
        send_large(target)
        response = client.read_response()
        assert (response.status, response.body) == (status, b"" if status == 204 else b"too large")
        assert target.is_closed, "the rest is nobody's"

    def test_pieces_behind_the_limit_are_kept_while_steps_run(self) -> None:
        head = parse_response_head(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", False)
        assert head is not None
        held = HeldResponse(head)
        assert not held.keep([b"a"], False)
        assert held.keep([b"x" * LARGE_BYTES], False)
        assert not held.keep([b"last"], True), "the steps run once"
        assert b"".join(held.released()[1]) == b"a" + b"x" * LARGE_BYTES + b"last"


class TestFailures:
    """Whatever goes wrong while nothing was sent is answered; there is no second try."""

    @pytest.mark.parametrize("waits", [False, True])
    def test_target_that_breaks_off(self, make_stage: MakeStage, waits: bool) -> None:
        watcher = Watcher(waits=waits)
        stage = make_stage(plugins=[watcher])
        client, target = exchange_until_the_answer(stage)
        if waits:
            send_large(target)
        else:
            target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        target.reset()
        assert client.read_response().status == 502
        assert not stage.is_dialling
        assert watcher.was_cancelled == waits

    def test_target_that_stops(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[Watcher()], service={"read_timeout": 1000})
        client, target = exchange_until_the_answer(stage)
        target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        stage.pass_time(0.5)
        target.send(b"c")
        stage.pass_time(0.8)
        assert client.receive() == b"", "it moved"
        stage.pass_time(0.5)
        assert client.read_response().status == 504

    @pytest.mark.parametrize("is_late", [False, True])
    def test_step_that_raises(self, make_stage: MakeStage, is_late: bool) -> None:
        async def raise_later(ctx: Any) -> None:
            raise_error()

        stage = make_stage(plugins=[Responding(raise_later if is_late else raise_error)])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"body")
        assert client.read_response().status == 500
        assert len(stage.bugs) == 1
        stage.bugs.clear()

    def test_kept_connection_that_breaks_off_is_not_repeated(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[Watcher()])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"first")
        client.read_response()
        client.send(GET)
        target.read_request()
        target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        target.finish()
        assert client.read_response().status == 502
        assert not stage.is_dialling
