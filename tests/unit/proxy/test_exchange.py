"""Whole exchanges: stages, plugins in each phase, tries, failures, and everybody's going away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from dbless_gateway.pdk.reply import Reply
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.runtime.dns_answer import Answer, Record
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage
from tests.support.upstream_entities import upstream
from tests.unit.proxy.conftest import MakeStage

GET = request_bytes()
CHUNKED_ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def exchange_until_the_answer(stage: Stage, request: bytes = GET) -> tuple[FarEnd, FarEnd]:
    """Return client and target of a request that the target has received and not answered."""
    client = stage.connect()
    client.send(request)
    target = stage.accept()
    target.read_request()
    return client, target


class TestTries:
    """Which tries are repeated (balancer.md section 2), and what the client is told when none succeeds."""

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH", "LOCK"])
    def test_refused_connection_is_tried_again_whatever_the_method(self, stage: Stage, method: str) -> None:
        client = stage.connect()
        client.send(request_bytes(method, body=b"" if method in ("GET", "HEAD") else b"x"))
        stage.refuse()
        target = stage.accept()
        assert target.read_request().method == method
        target.answer()
        assert client.read_response(method).status == 200

    @pytest.mark.parametrize(
        ("method", "repeated"),
        [
            *((method, True) for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")),
            *((method, False) for method in ("POST", "PATCH", "LOCK")),
        ],
    )
    @pytest.mark.parametrize("how", ["close", "reset", "timeout", "nonsense"])
    def test_sent_request_is_repeated_only_when_that_is_harmless(
        self, stage: Stage, method: str, repeated: bool, how: str
    ) -> None:
        client, target = exchange_until_the_answer(stage, request_bytes(method))
        if how == "timeout":
            stage.pass_time(60)
        elif how == "nonsense":
            target.send(b"SSH-2.0\r\n")
        elif how == "close":
            target.finish()
        else:
            target.reset()
        assert stage.is_dialling == repeated
        if not repeated:
            assert client.read_response().status == (504 if how == "timeout" else 502)

    @pytest.mark.parametrize("retries", [0, 1, 5])
    def test_as_many_tries_as_configured(self, make_stage: MakeStage, retries: int) -> None:
        stage = make_stage(service={"retries": retries})
        client = stage.connect()
        client.send(GET)
        for _ in range(retries + 1):
            stage.refuse()
        assert not stage.is_dialling
        assert client.read_response().status == 502
        assert len(stage.finished[0].tried) == retries + 1

    def test_connect_timeout_is_the_services(self, make_stage: MakeStage) -> None:
        stage = make_stage(service={"connect_timeout": 3000, "retries": 1})
        client = stage.connect()
        client.send(GET)
        stage.pass_time(3)
        stage.loop.dials.popleft()
        assert client.receive() == b""
        stage.pass_time(3)
        assert client.read_response().status == 504
        assert not stage.is_dialling

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
    def test_answers_are_never_repeated(self, stage: Stage, status: int) -> None:
        client, target = exchange_until_the_answer(stage)
        target.answer(b"so be it", f"{status} Whatever")
        response = client.read_response()
        assert (response.status, response.body) == (status, b"so be it")

    def test_next_try_goes_to_another_target(self, make_stage: MakeStage) -> None:
        stage = make_stage(
            service={"host": "u"},
            upstream=upstream("u"),
            targets=[("10.0.0.1:80", 100), ("10.0.0.2:80", 100)],
        )
        stage.connect().send(GET)
        first = stage.dialled_address()
        stage.refuse()
        assert {first, stage.dialled_address()} == {("10.0.0.1", 80), ("10.0.0.2", 80)}

    def test_upstream_without_available_target(self, make_stage: MakeStage) -> None:
        stage = make_stage(service={"host": "u"}, upstream=upstream("u"), targets=[("10.0.0.1:80", 0)])
        client = stage.connect()
        client.send(GET)
        response = client.read_response()
        assert (response.status, json.loads(response.body)["message"]) == (
            503,
            "failure to get a peer from the ring-balancer",
        )
        assert response.get("X-Kong-Response-Latency") is not None
        assert response.get("X-Kong-Upstream-Latency") is None

    def test_failure_behind_the_balancer_counts_as_proxied(self, make_stage: MakeStage) -> None:
        stage = make_stage(service={"retries": 0})
        client = stage.connect()
        client.send(GET)
        stage.refuse()
        response = client.read_response()
        assert response.get("X-Kong-Upstream-Latency") is not None
        assert response.get("X-Kong-Proxy-Latency") is not None
        assert response.get("X-Kong-Response-Latency") is None
        assert response.get("Via") == "1.1 kong/3.9.1"
        assert response.get("Server") == "kong/3.9.1"

    def test_odd_failures_to_dial_are_failures_like_others(self, make_stage: MakeStage) -> None:
        """A name that no TLS handshake can carry is a ValueError of the ssl module, not an OSError."""
        stage = make_stage(service={"retries": 0})
        client = stage.connect()
        client.send(GET)
        stage.refuse(ValueError("server_hostname cannot start with a leading dot."))
        assert client.read_response().status == 502


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


class TestTargetGone:
    """The target breaks off."""

    @pytest.mark.parametrize(
        "start",
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", CHUNKED_ANSWER + b"4\r\nhalf\r\n"],
        ids=["length", "chunked"],
    )
    @pytest.mark.parametrize("how", ["finish", "reset"])
    def test_in_the_middle_of_its_answer(self, stage: Stage, start: bytes, how: str) -> None:
        """The client must see that something is missing: no last chunk, no next answer."""
        client, target = exchange_until_the_answer(stage)
        target.send(start)
        getattr(target, how)()
        assert client.transport.was_aborted
        assert not client.receive().endswith(b"0\r\n\r\n")
        assert not stage.is_dialling

    def test_body_until_close_ends_with_close(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        target.send(b"HTTP/1.1 200 OK\r\n\r\nall")
        target.finish()
        assert client.read_response().body == b"all"
        assert not client.is_closed

    def test_body_until_close_does_not_end_with_a_reset(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        target.send(b"HTTP/1.1 200 OK\r\n\r\nnot all")
        target.reset()
        assert client.transport.was_aborted
        assert not client.receive().endswith(b"0\r\n\r\n")

    def test_silence_in_the_middle_of_its_answer(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        target.send(CHUNKED_ANSWER + b"4\r\nhalf\r\n")
        stage.pass_time(59)
        assert not client.is_closed
        stage.pass_time(1)
        assert client.transport.was_aborted
        assert target.transport.was_aborted

    def test_half_a_head(self, make_stage: MakeStage) -> None:
        stage = make_stage(service={"retries": 0})
        client, target = exchange_until_the_answer(stage)
        target.send(b"HTTP/1.1 200 OK\r\nContent-")
        target.finish()
        assert client.read_response().status == 502


class TestClientGone:
    """The client hangs up: 499, the target is dropped, its record stays clean, nobody else notices."""

    def check(self, stage: Stage, status: int = 499) -> None:
        assert [exchange.status for exchange in stage.finished] == [status]
        assert stage.finished[0].tried == ()
        assert stage.gateway.report()["connections_active"] == 0
        balancer = stage.runtime.upstreams.for_host("10.1.1.1", 80)
        assert [peer.in_flight for peer in balancer.peers] == [0]

    def test_while_the_target_is_dialled(self, stage: Stage) -> None:
        client = stage.connect()
        client.send(GET)
        client.finish()
        assert not stage.is_dialling
        self.check(stage)

    def test_while_the_target_thinks(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        client.reset()
        assert target.transport.was_aborted
        self.check(stage)

    def test_while_the_target_answers(self, stage: Stage) -> None:
        client, target = exchange_until_the_answer(stage)
        target.send(CHUNKED_ANSWER + b"4\r\nhalf\r\n")
        client.finish()
        assert target.transport.was_aborted
        self.check(stage, 200)

    def test_while_a_plugin_waits(self, make_stage: MakeStage) -> None:
        plugin = Waiting()
        stage = make_stage(plugins=[plugin])
        client = stage.connect()
        client.send(GET)
        client.finish()
        assert plugin.was_cancelled
        assert not stage.is_dialling
        self.check(stage)

    def test_while_its_body_comes(self, stage: Stage) -> None:
        client = stage.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        client.finish()
        assert not stage.is_dialling
        self.check(stage)


class Waiting:
    """A plugin whose access waits until the test says what comes of it."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Reply | None] | None = None
        self.was_cancelled = False

    async def access(self, ctx: Any) -> Reply | None:
        self.outcome = ctx.gateway.loop.create_future()
        try:
            return await self.outcome
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


class Phases:
    """A plugin that notes each phase and does in it what the test wants."""

    def __init__(self, **actions: Callable[..., Any]) -> None:
        self.seen: list[str] = []
        self.actions = actions

    def _act(self, phase: str, *arguments: Any) -> Any:
        self.seen.append(phase)
        action = self.actions.get(phase)
        return action(*arguments) if action is not None else None

    def rewrite(self, ctx: Any) -> Any:
        return self._act("rewrite", ctx)

    def access(self, ctx: Any) -> Any:
        return self._act("access", ctx)

    def header_filter(self, ctx: Any) -> Any:
        return self._act("header_filter", ctx)

    def body_filter(self, ctx: Any, chunk: bytes, last: bool) -> Any:
        return self._act("body_filter", ctx, chunk, last)

    def log(self, ctx: Any) -> Any:
        return self._act("log", ctx)


def raise_error(*arguments: Any) -> None:
    raise RuntimeError("a plugin's bug")


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


class SlowNames:
    """A resolver with one name, whose answer comes when the test says so."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self._changed: list[Callable[[], None]] = []

    def watch(self, name: str, changed: Callable[[], None]) -> Any:
        self._changed.append(changed)
        return self

    def close(self) -> None:
        """Nobody watches any more."""

    def resolve(self, answer: Answer) -> None:
        self.answer = answer
        for changed in self._changed:
            changed()


class TestNames:
    """Requests that come before their target's name is resolved."""

    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            (Answer("", (), 0.0, "no such name", missing=True), 503),
            (Answer("", (), 0.0, "no server answers", missing=False), 500),
        ],
    )
    def test_failure_is_told(self, make_stage: MakeStage, answer: Answer, status: int) -> None:
        names = SlowNames()
        stage = make_stage(service={"host": "slow.test"}, names=names)
        client = stage.connect()
        client.send(GET)
        stage.pass_time(100)
        assert client.receive() == b"", "the resolver has limits of its own"
        stage.do(names.resolve, answer)
        assert client.read_response().status == status

    def test_requests_go_on_together(self, make_stage: MakeStage) -> None:
        names = SlowNames()
        stage = make_stage(service={"host": "slow.test"}, names=names)
        gone, *clients = [stage.connect() for _ in range(3)]
        for client in (gone, *clients):
            client.send(GET)
        gone.finish()
        stage.do(names.resolve, Answer("A", (Record("10.0.0.9", "slow.test", 0, None),), 60.0))
        for client in clients:
            assert stage.dialled_address() == ("10.0.0.9", 80)
            target = stage.accept()
            assert target.read_request().get("Host") == "slow.test"
            target.answer(b"found")
            assert client.read_response().body == b"found"
        assert not stage.is_dialling


class TestWithoutService:
    def test_route_without_service(self, make_stage: MakeStage) -> None:
        stage = make_stage(route={"service": None})
        client = stage.connect()
        client.send(GET)
        response = client.read_response()
        assert (response.status, json.loads(response.body)["message"]) == (
            503,
            "no Service found with those values",
        )


class TestProtocols:
    """Routes that do not take every protocol (router.md section 9)."""

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_redirect_to_https(self, make_stage: MakeStage, status: int) -> None:
        stage = make_stage(route={"protocols": ("https",), "https_redirect_status_code": status})
        client = stage.connect()
        client.send(request_bytes(target="/a?b=1"))
        response = client.read_response()
        assert (response.status, response.get("Location")) == (status, "https://gateway.test/a?b=1")

    def test_https_is_required(self, make_stage: MakeStage) -> None:
        stage = make_stage(route={"protocols": ("https",)})
        client = stage.connect()
        client.send(GET)
        response = client.read_response()
        assert (response.status, response.get("Upgrade")) == (426, "TLS/1.2, HTTP/1.1")

    def test_https_listener_serves_it(self, make_stage: MakeStage) -> None:
        stage = make_stage(route={"protocols": ("https",)})
        stage.connect(scheme="https").send(GET)
        assert stage.accept().read_request().get("X-Forwarded-Proto") == "https"

    @pytest.mark.parametrize(("content_type", "status"), [("text/plain", 415), ("application/grpc", 426)])
    def test_grpc_route(self, make_stage: MakeStage, content_type: str, status: int) -> None:
        stage = make_stage(route={"protocols": ("grpc",), "paths": None, "hosts": ("gateway.test",)})
        client = stage.connect()
        client.send(request_bytes(headers=[("Content-Type", content_type)]))
        assert client.read_response().status == status


def test_each_exchange_keeps_its_snapshot(make_stage: MakeStage) -> None:
    plugin = Waiting()
    stage = make_stage(plugins=[plugin])
    client = stage.connect()
    client.send(GET)
    stage.gateway.swap(make_stage(route={"paths": ("/only-new",)}).snapshot)
    assert plugin.outcome is not None
    stage.do(plugin.outcome.set_result, None)
    target = stage.accept()
    target.answer(b"old")
    assert client.read_response().body == b"old"
    client.send(GET)
    assert client.read_response().status == 404
