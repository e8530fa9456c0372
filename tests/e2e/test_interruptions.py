"""Clients and targets that go away, stall or refuse: who learns what, and what is tried again."""

from __future__ import annotations

import json
import threading

import pytest

from tests.support.client import request_bytes
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection
from tests.support.wire import TIMEOUT_S, ConnectionClosed, Wire


def close_unanswered(connection: OriginConnection) -> None:
    """Take a request and hang up."""
    connection.receive()
    connection.close()


class TestRetries:
    """What is tried again, and how often (Kong: connect errors always; after sending, idempotent methods).

    A try that is lost on an idle connection does not count, so each test begins without any.
    """

    @pytest.fixture(autouse=True)
    def without_idle_connections(self, origin: Origin) -> None:
        origin.retire_connections()

    def test_get_is_tried_again_until_the_count_is_used_up(self, gateway: Gateway, origin: Origin) -> None:
        origin.script = close_unanswered
        assert gateway.fetch("/retrying").status == 502
        assert len(origin.requests) == 3, "one try and two retries"

    def test_success_of_a_retry_is_the_answer(self, gateway: Gateway, origin: Origin) -> None:
        def script(connection: OriginConnection) -> None:
            connection.receive()
            if len(origin.requests) < 3:
                connection.reset()
            else:
                connection.answer(b"third time lucky")

        origin.script = script
        assert gateway.fetch("/retrying").body == b"third time lucky"

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    def test_sent_request_that_may_have_had_effects_is_not(
        self, gateway: Gateway, origin: Origin, method: str
    ) -> None:
        origin.script = close_unanswered
        assert gateway.fetch("/retrying", method=method, body=b"x").status == 502
        assert len(origin.requests) == 1

    def test_body_is_sent_again(self, gateway: Gateway, origin: Origin) -> None:
        origin.script = close_unanswered
        gateway.fetch("/retrying", method="PUT", body=b"the body")
        assert [request.body for request in origin.requests] == [b"the body"] * 3

    def test_each_try_has_its_own_timeout(self, gateway: Gateway, origin: Origin) -> None:
        def script(connection: OriginConnection) -> None:
            connection.receive()
            if len(origin.requests) < 2:
                connection.read_to_end()  # Until the gateway gives this try up.
            else:
                connection.answer(b"in time")

        origin.script = script
        assert gateway.fetch("/retrying").body == b"in time"

    def test_refused_target_is_left_for_another(self, gateway: Gateway, origin: Origin) -> None:
        """Half of the picks meet the closed port; no client learns of it, whatever the method."""
        for method in ("GET", "POST") * 5:
            assert gateway.fetch("/pair", method=method).status == 200

    def test_status_of_the_target_is_not_retried(self, gateway: Gateway, origin: Origin) -> None:
        def script(connection: OriginConnection) -> None:
            connection.receive()
            connection.answer(status="503 Busy")

        origin.script = script
        assert gateway.fetch("/retrying").status == 503
        assert len(origin.requests) == 1

    def test_idle_connection_that_the_target_closed_is_replaced(
        self, gateway: Gateway, origin: Origin
    ) -> None:
        """Even with no retries: the request never had a chance on that connection."""

        def answer_and_hang_up_on_the_next(connection: OriginConnection) -> None:
            connection.receive()
            connection.answer(b"first")
            connection.wait_for_bytes()
            connection.reset()

        origin.script = answer_and_hang_up_on_the_next
        with gateway.connect() as client:
            assert client.request(target="/impatient").body == b"first"
            origin.start_over()
            assert client.request(target="/impatient").body == b"origin"


class TestTargetGone:
    """A target that breaks off mid-answer cannot be hidden from the client."""

    @pytest.mark.parametrize(
        "partial",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ],
    )
    @pytest.mark.parametrize("how", ["close", "reset"])
    def test_client_sees_the_answer_cut_short(
        self, gateway: Gateway, origin: Origin, partial: bytes, how: str
    ) -> None:
        delivered = threading.Event()

        def script(connection: OriginConnection) -> None:
            connection.receive()
            connection.send(partial)
            assert delivered.wait(TIMEOUT_S)
            connection.close() if how == "close" else connection.reset()

        origin.script = script
        with gateway.connect() as client:
            client.send(request_bytes(target="/o"))
            client.read_until(b"half")
            delivered.set()
            rest = read_all(client)
        assert b"0\r\n\r\n" not in rest, "a proper end would lie"
        assert gateway.fetch("/unknown").status == 404

    def test_target_stalls_in_mid_answer(self, gateway: Gateway, origin: Origin) -> None:
        def script(connection: OriginConnection) -> None:
            connection.receive()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            connection.read_to_end()

        origin.script = script
        with gateway.connect() as client:
            client.send(request_bytes(target="/impatient"))
            client.read_until(b"half")
            assert read_all(client) == b""

    @pytest.mark.parametrize("surplus", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"x"])
    def test_bytes_after_the_answer_reach_nobody(
        self, gateway: Gateway, origin: Origin, surplus: bytes
    ) -> None:
        def script(connection: OriginConnection) -> None:
            connection.receive()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + surplus)

        origin.script = script
        with gateway.connect() as client:
            assert client.request(target="/o").body == b"good"
            origin.start_over()
            assert client.request(target="/o").body == b"origin"

    def test_unasked_bytes_on_an_idle_connection_reach_nobody(self, gateway: Gateway, origin: Origin) -> None:
        surplus_sent = threading.Event()

        def script(connection: OriginConnection) -> None:
            connection.receive()
            connection.answer(b"good")
            # The client has its answer, so the connection is idle by now.
            assert surplus_may_go.wait(TIMEOUT_S)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            connection.is_closed_by_peer()
            surplus_sent.set()

        surplus_may_go = threading.Event()
        origin.script = script
        with gateway.connect() as client:
            assert client.request(target="/o").body == b"good"
            surplus_may_go.set()
            assert surplus_sent.wait(TIMEOUT_S), "the gateway closes such a connection"
            origin.start_over()
            assert client.request(target="/o").body == b"origin"


class TestClientGone:
    """A client that leaves costs the target its connection, and nobody else anything."""

    def test_before_the_answer(self, gateway: Gateway, origin: Origin) -> None:
        noticed = threading.Event()

        def script(connection: OriginConnection) -> None:
            connection.receive()
            if connection.is_closed_by_peer():
                noticed.set()
            connection.close()

        origin.script = script
        with gateway.connect() as client:
            client.send(request_bytes(target="/o"))
            origin.next_request()
        assert noticed.wait(TIMEOUT_S)

    def test_in_mid_answer(self, gateway: Gateway, origin: Origin) -> None:
        noticed = threading.Event()

        def script(connection: OriginConnection) -> None:
            connection.receive()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
            try:
                while True:
                    connection.send(b"4\r\nmore\r\n")
            except OSError:
                noticed.set()
                raise

        origin.script = script
        client = gateway.connect()
        client.send(request_bytes(target="/o"))
        client.read_until(b"half")
        client.reset()
        assert noticed.wait(TIMEOUT_S)

    def test_in_mid_request(self, gateway: Gateway, origin: Origin) -> None:
        noticed = threading.Event()

        def script(connection: OriginConnection) -> None:
            request = connection.receive_head()
            try:
                connection.read_body(request)
            except (ConnectionClosed, OSError):
                noticed.set()

        origin.script = script
        with gateway.connect() as client:
            client.send(b"PUT /streamed HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 10\r\n\r\nhalf")
            origin.next_request()
        assert noticed.wait(TIMEOUT_S)

    def test_others_are_served_all_along(self, gateway: Gateway, origin: Origin) -> None:
        for _ in range(20):
            leaver = gateway.connect()
            leaver.send(request_bytes(target="/o/leaver"))
            leaver.reset()
            assert gateway.fetch("/o/stayer").body == b"origin"


def test_timeouts_are_told_apart(gateway: Gateway, origin: Origin) -> None:
    """Connecting takes too long: 504, as reading does; refusing is 502."""
    deaf = gateway.fetch("/deaf", headers=[("Accept", "application/json")])
    assert (deaf.status, json.loads(deaf.body)["message"]) == (504, "The upstream server is timing out")
    assert gateway.fetch("/closed").status == 502


def read_all(wire: Wire) -> bytes:
    """Return what still comes; a reset counts as an end."""
    try:
        return wire.read_to_end()
    except ConnectionResetError:
        return b""
