"""Kept connections, flow control and early answers: who waits for whom, and what is used again."""

from __future__ import annotations

import pytest

from dbless_gateway.proxy.options import ProxyOptions
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage
from tests.unit.proxy.conftest import MakeStage
from tests.unit.proxy.scenes import (
    CHUNKED_ANSWER,
    GET,
    exchange_until_the_answer,
)


class TestKeptConnections:
    """Connections to targets that are used again."""

    def test_one_connection_serves_many(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        target.answer()
        client.read_response()
        for _ in range(5):
            client.send(GET)
            target.read_request()
            target.answer(b"again")
            assert client.read_response().body == b"again"
        assert not stage.is_dialling

    def test_stale_connection_costs_no_try(self, make_stage: MakeStage) -> None:
        stage = make_stage(service={"retries": 0})
        client, target = exchange_until_the_answer(stage)
        target.answer()
        client.read_response()
        client.send(GET)
        target.finish()
        fresh = stage.accept()
        fresh.read_request()
        fresh.answer(b"fresh")
        assert client.read_response().body == b"fresh"

    def test_post_on_a_stale_connection_is_not_repeated(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        target.answer()
        client.read_response()
        client.send(request_bytes("POST"))
        target.finish()
        assert client.read_response().status == 502
        assert not stage.is_dialling

    def test_connection_closed_while_idle_is_not_used(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        target.answer()
        client.read_response()
        target.finish()
        client.send(request_bytes("POST"))
        assert stage.accept().read_request().method == "POST"

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
            b"HTTP/1.1 204 No Content\r\n\r\nx",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
        ],
        ids=["close", "http/1.0", "too long", "body of 204", "behind the chunks"],
    )
    def test_doubtful_connection_is_not_kept(self, stage: Stage, answer: bytes) -> None:
        client, target = exchange_until_the_answer(stage)
        target.send(answer)
        assert client.read_response().status in (200, 204)
        assert target.is_closed
        assert client.receive() == b"", "what follows an answer never reaches a client"

    def test_used_up_connection_is_not_kept(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(upstream_keepalive_max_requests=1))
        _, target = exchange_until_the_answer(stage)
        target.answer()
        assert target.is_closed

    def test_no_pool_keeps_no_connection(self, make_stage: MakeStage) -> None:
        stage = make_stage(pool_size=0)
        _, target = exchange_until_the_answer(stage)
        target.answer()
        assert target.is_closed


class TestFlowControl:
    """A slow reader slows the sender, on both sides."""

    def test_full_client_makes_the_target_wait(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        client.stop_reading()
        target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 600_000)
        assert target.is_paused
        client.read_again()
        assert not target.is_paused
        target.send(b"x" * 400_000)
        assert len(client.read_response().body) == 1_000_000

    def test_client_that_does_not_read_is_dropped(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        client.stop_reading()
        target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 600_000)
        stage.pass_time(60)
        assert client.transport.was_aborted
        assert target.transport.was_aborted

    def test_slow_reader_that_moves_is_not_dropped(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        for _ in range(4):
            client.stop_reading()
            target.send(b"x" * 600_000)
            stage.pass_time(50)
            client.read_again()
        assert not client.is_closed

    def test_whole_answer_that_nobody_reads_does_not_hold_the_connection_for_ever(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        client.stop_reading()
        target.answer(b"x" * 100_000)
        stage.pass_time(75)
        stage.pass_time(60)
        assert client.is_closed

    def test_kept_target_is_not_left_paused(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        client.stop_reading()
        target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n" + b"x" * 600_000)
        target.send(b"x" * 100_000)
        assert target.is_paused
        client.read_again()
        client.read_response()
        client.send(GET)
        target.read_request()
        target.answer(b"on")
        assert client.read_response().body == b"on"


class TestEarlyAnswers:
    """The target answers before the request is complete."""

    UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nstart"

    def start(self, make_stage: MakeStage) -> tuple[Stage, FarEnd, FarEnd]:
        stage = make_stage(route={"request_buffering": False})
        client = stage.connect()
        client.send(self.UPLOAD)
        target = stage.accept()
        target.receive()
        return stage, client, target

    def test_answer_passes_and_the_connection_ends(self, make_stage: MakeStage) -> None:
        _, client, target = self.start(make_stage)
        target.answer(b"enough", "413 Payload Too Large")
        response = client.read_response()
        assert (response.status, response.body, response.get("Connection")) == (413, b"enough", "close")
        assert target.transport.was_aborted, "it has half a request"
        assert not client.is_closed, "a reset could destroy the answer on its way"
        client.send(b"rest.")
        assert client.is_closed

    def test_what_follows_the_body_is_not_served(self, make_stage: MakeStage) -> None:
        _, client, target = self.start(make_stage)
        target.answer(b"", "413 Payload Too Large")
        client.read_response()
        client.send(b"rest." + GET)
        assert client.receive() == b""
        assert client.is_closed

    def test_slow_early_answer_while_the_body_goes_on(self, make_stage: MakeStage) -> None:
        _, client, target = self.start(make_stage)
        target.send(CHUNKED_ANSWER + b"2\r\nhi\r\n")
        client.send(b"rest.")
        assert target.receive() == b"rest."
        target.send(b"0\r\n\r\n")
        assert client.read_response().body == b"hi"
