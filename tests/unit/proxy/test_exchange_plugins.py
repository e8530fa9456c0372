"""Plugins in each phase: when they run, what their answers and their bugs do."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from dbless_gateway.pdk.reply import Reply
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage
from tests.unit.proxy.conftest import MakeStage
from tests.unit.proxy.scenes import (
    CHUNKED_ANSWER,
    GET,
    Phases,
    Waiting,
    exchange_until_the_answer,
    raise_error,
)


class TestPhases:
    """When each phase runs, and what an answer in it does."""

    def test_all_phases_in_order(self, make_stage: MakeStage) -> None:
        plugin = Phases()
        stage = make_stage(plugins=[plugin])
        client, target = exchange_until_the_answer(stage)
        assert plugin.seen == ["rewrite", "access"]
        target.send(CHUNKED_ANSWER + b"1\r\na\r\n")
        target.send(b"1\r\nb\r\n0\r\n\r\n")
        assert plugin.seen == ["rewrite", "access", "header_filter", "body_filter", "body_filter", "log"]
        assert client.read_response().body == b"ab"

    @pytest.mark.parametrize("phase", ["rewrite", "access"])
    def test_answer_skips_the_target_but_not_the_later_phases(
        self, make_stage: MakeStage, phase: str
    ) -> None:
        first = Phases(**{phase: lambda ctx: Reply(418, b"tea", (("X-By", "first"),))})
        second = Phases()
        stage = make_stage(plugins=[first, second])
        client = stage.connect()
        client.send(GET)
        response = client.read_response()

        assert (response.status, response.body, response.get("X-By")) == (418, b"tea", "first")
        assert response.get("X-Kong-Response-Latency") is not None
        assert response.get("Via") is None
        assert response.get("Connection") == "keep-alive"
        assert second.seen[-3:] == ["header_filter", "body_filter", "log"]
        assert phase not in second.seen
        assert not stage.is_dialling

    def test_no_route_runs_the_later_phases_of_global_plugins(self, make_stage: MakeStage) -> None:
        plugin = Phases()
        stage = make_stage(plugins=[plugin], route={"paths": ("/only",)})
        client = stage.connect()
        client.send(GET)
        response = client.read_response()
        assert (response.status, json.loads(response.body)["message"]) == (
            404,
            "no Route matched with those values",
        )
        assert plugin.seen == ["rewrite", "header_filter", "body_filter", "log"]

    def test_plugin_that_leaves_exchanges_to_the_collector(self, make_stage: MakeStage) -> None:
        """What an exchange shares with others (its match, its route, its peer) outlives it."""

        def keep_itself(ctx: Any) -> None:
            ctx.shared["itself"] = ctx

        stage = make_stage(plugins=[Phases(access=keep_itself)])
        client, target = exchange_until_the_answer(stage)
        for number in range(8):
            target.answer(b"%d" % number)
            assert client.read_response().body == b"%d" % number
            gc.collect()
            client.send(GET)
            target.read_request()

    @pytest.mark.parametrize("phase", ["rewrite", "access"])
    def test_waiting_plugin_lets_go_on(self, make_stage: MakeStage, phase: str) -> None:
        gate: list[asyncio.Future[None]] = []

        def wait(ctx: Any) -> asyncio.Future[None]:
            gate.append(ctx.gateway.loop.create_future())
            return gate[0]

        second = Phases()
        stage = make_stage(plugins=[Phases(**{phase: wait}), second])
        client = stage.connect()
        client.send(GET)
        stage.pass_time(1000)
        assert phase not in second.seen, "it has limits of its own"
        stage.do(gate[0].set_result, None)
        assert phase in second.seen
        target = stage.accept()
        target.read_request()
        target.answer(b"late")
        assert client.read_response().body == b"late"

    def test_waiting_plugin_answers(self, make_stage: MakeStage) -> None:
        plugin = Waiting()
        stage = make_stage(plugins=[plugin])
        client = stage.connect()
        client.send(GET)
        assert plugin.outcome is not None
        stage.do(plugin.outcome.set_result, Reply(401, b"no"))
        assert client.read_response().status == 401

    def test_waiting_plugin_fails(self, make_stage: MakeStage) -> None:
        plugin = Waiting()
        stage = make_stage(plugins=[plugin])
        client = stage.connect()
        client.send(GET)
        assert plugin.outcome is not None
        stage.do(plugin.outcome.set_exception, RuntimeError("a plugin's bug"))
        assert client.read_response().status == 500
        assert len(stage.bugs) == 1
        stage.bugs.clear()

    def test_pipelined_request_waits_for_a_waiting_plugin(self, make_stage: MakeStage) -> None:
        plugin = Waiting()
        stage = make_stage(plugins=[plugin])
        client = stage.connect()
        client.send(GET + GET)
        first = plugin.outcome
        assert first is not None
        stage.do(first.set_result, Reply(200, b"1"))
        assert plugin.outcome is not first
        assert plugin.outcome is not None
        stage.do(plugin.outcome.set_result, Reply(200, b"2"))
        assert [response.body for response in client.read_responses(2)] == [b"1", b"2"]


class TestPluginsThatRaise:
    """One logged traceback and one 500; the connection lives."""

    def answer(self, stage: Stage) -> FarEnd:
        client = stage.connect()
        client.send(GET)
        if stage.is_dialling:
            target = stage.accept()
            target.read_request()
            target.answer(b"fine")
        return client

    @pytest.mark.parametrize("phase", ["rewrite", "access", "header_filter", "body_filter"])
    def test_before_anything_was_sent(self, make_stage: MakeStage, phase: str) -> None:
        stage = make_stage(plugins=[Phases(**{phase: raise_error})])
        client = self.answer(stage)
        response = client.read_response()
        assert response.status == 500
        assert b"An unexpected error occurred" in response.body
        assert stage.bugs
        stage.bugs.clear()
        assert not client.is_closed

    @pytest.mark.parametrize("phase", ["header_filter", "body_filter"])
    def test_over_an_answer_of_a_plugin(self, make_stage: MakeStage, phase: str) -> None:
        stage = make_stage(
            plugins=[Phases(access=lambda ctx: Reply(200, b"x")), Phases(**{phase: raise_error})]
        )
        client = self.answer(stage)
        assert client.read_response().status == 500
        assert len(stage.bugs) == 1
        stage.bugs.clear()

    def test_in_the_middle_of_a_body(self, make_stage: MakeStage) -> None:
        def fail_on_second(ctx: Any, chunk: bytes, last: bool) -> None:
            if chunk == b"second":
                raise_error()

        stage = make_stage(plugins=[Phases(body_filter=fail_on_second)])
        client, target = exchange_until_the_answer(stage)
        target.send(CHUNKED_ANSWER + b"5\r\nfirst\r\n")
        target.send(b"6\r\nsecond\r\n")
        assert client.transport.was_aborted, "half an answer must not look whole"
        assert len(stage.bugs) == 1
        stage.bugs.clear()

    def test_in_log(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[Phases(log=raise_error)])
        client = self.answer(stage)
        assert client.read_response().body == b"fine"
        assert len(stage.bugs) == 1
        stage.bugs.clear()
        client.send(GET)
        assert not client.is_closed

    @pytest.mark.parametrize(
        "value", ["a\r\nSet-Cookie: evil=1", "a\nb", "a\rb", "a\0b"], ids=["crlf", "lf", "cr", "nul"]
    )
    @pytest.mark.parametrize("where", ["access", "header_filter", "reply", "upstream", "host"])
    def test_header_that_would_split_the_message(self, make_stage: MakeStage, where: str, value: str) -> None:
        def put(ctx: Any) -> Reply | None:
            if where == "access":
                ctx.set_response_header("X-Value", value)
            elif where == "header_filter":
                ctx.response.headers.set("X-Value", value)
            elif where == "upstream":
                ctx.upstream.headers.set("X-Value", value)
            elif where == "host":
                ctx.upstream.host = value
            else:
                return Reply(200, b"", (("X-Value", value),))
            return None

        stage = make_stage(
            plugins=[Phases(**{"header_filter" if where == "header_filter" else "access": put})]
        )
        client = self.answer(stage)
        response = client.read_response()
        assert response.status == 500
        assert response.get("Set-Cookie") is None
        assert stage.bugs
        stage.bugs.clear()


class TestBodyFilter:
    """Plugins that change what the client gets."""

    def upper(self, ctx: Any, chunk: bytes, last: bool) -> bytes:
        return chunk.upper() + (b"!" if last else b"")

    def test_changed_length_becomes_chunks(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[Phases(body_filter=self.upper)])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"body")
        response = client.read_response()
        assert (response.body, response.get("Content-Length")) == (b"BODY!", None)

    def test_each_piece_is_filtered(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[Phases(body_filter=self.upper)])
        client, target = exchange_until_the_answer(stage)
        target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo")
        target.send(b"dy")
        assert client.read_response().body == b"BODY!"

    def test_http_10_gets_the_changed_body_until_close(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[Phases(body_filter=self.upper)])
        client, target = exchange_until_the_answer(stage, b"GET / HTTP/1.0\r\n\r\n")
        target.answer(b"body")
        assert client.read_response().body == b"BODY!"
        assert client.is_closed

    def test_empty_answer_may_get_a_body(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[Phases(body_filter=self.upper)])
        client, target = exchange_until_the_answer(stage)
        target.answer(b"")
        assert client.read_response().body == b"!"
        assert client.receive() == b""

    @pytest.mark.parametrize(
        ("method", "answer"),
        [
            ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
            ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
            ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"),
        ],
    )
    def test_answer_without_body_gets_none(self, make_stage: MakeStage, method: str, answer: bytes) -> None:
        """Bytes behind such a head would be the beginning of the next answer."""
        stage = make_stage(plugins=[Phases(body_filter=self.upper)])
        client, target = exchange_until_the_answer(stage, request_bytes(method))
        target.send(answer)
        client.read_response(method)
        assert client.receive() == b""

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
    def test_reply_without_body_gets_none(self, make_stage: MakeStage, method: str, status: int) -> None:
        stage = make_stage(plugins=[Phases(access=lambda ctx: Reply(status)), Phases(body_filter=self.upper)])
        client = stage.connect()
        client.send(request_bytes(method))
        assert client.read_response(method).status == status
        assert client.receive() == b""
