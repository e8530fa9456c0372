"""Whole exchanges: tries, failures, protocols, and everybody's going away."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dbless_gateway.runtime.dns_answer import Answer, Record
from tests.support.client import request_bytes
from tests.support.exchange_script import Stage
from tests.support.upstream_entities import upstream
from tests.unit.proxy.conftest import MakeStage
from tests.unit.proxy.scenes import (
    CHUNKED_ANSWER,
    GET,
    Waiting,
    exchange_until_the_answer,
)


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
