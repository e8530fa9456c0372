"""HTTP/1.1 as clients and targets really speak it: connections that stay, bodies of every framing."""

from __future__ import annotations

import threading

import pytest

from tests.support.client import request_bytes
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection
from tests.support.wire import TIMEOUT_S


def echo(connection: OriginConnection) -> None:
    """Answer with the request's target and body."""
    request = connection.receive()
    connection.answer(request.target.encode() + b" " + request.body)


def test_connections_are_kept_on_both_sides(gateway: Gateway, origin: Origin) -> None:
    gateway.fetch("/o")  # So that there is an idle connection to the target already.
    connections = origin.connection_count
    with gateway.connect() as client:
        for number in range(20):
            assert client.request(target=f"/o/{number}").status == 200

    assert [request.target for request in origin.requests[1:]] == [f"/{number}" for number in range(20)]
    assert origin.connection_count == connections


def test_pipelined_requests_are_answered_in_order(gateway: Gateway, origin: Origin) -> None:
    origin.script = echo
    with gateway.connect() as client:
        client.send(b"".join(request_bytes("POST", f"/o/{n}", body=b"b%d" % n) for n in range(10)))
        bodies = [client.read_response().body for _ in range(10)]

    assert bodies == [b"/%d b%d" % (n, n) for n in range(10)]


def test_request_in_single_bytes(gateway: Gateway, origin: Origin) -> None:
    origin.script = echo
    with gateway.connect() as client:
        for byte in request_bytes("POST", "/o/slow", body=b"abc"):
            client.send(bytes([byte]))
        assert client.read_response().body == b"/slow abc"


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
    ],
)
def test_response_without_body_keeps_the_connection(
    gateway: Gateway, origin: Origin, method: str, answer: bytes
) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.send(answer)

    origin.script = script
    with gateway.connect() as client:
        for _ in range(3):
            response = client.request(method, "/o")
            assert response.status == int(answer.split()[1])
            assert response.body == b""


def test_length_of_a_head_answer_passes(gateway: Gateway, origin: Origin) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")

    origin.script = script
    with gateway.connect() as client:
        assert client.request("HEAD", "/o").get("Content-Length") == "1234"


@pytest.mark.parametrize("connection_header", ["close", "Close", "keep-alive, close"])
def test_connection_close_of_the_client(gateway: Gateway, origin: Origin, connection_header: str) -> None:
    with gateway.connect() as client:
        response = client.request(target="/o", headers=[("Connection", connection_header)])
        assert response.get("Connection") == "close"
        assert client.is_closed_by_peer()


def test_connection_close_of_the_target_is_not_the_clients(gateway: Gateway, origin: Origin) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.answer(b"x", headers=(("Connection", "close"),))
        connection.close()

    origin.script = script
    with gateway.connect() as client:
        assert client.request(target="/o").body == b"x"
        assert client.request(target="/o").body == b"x"


class TestHttp10:
    """Clients of HTTP/1.0 get no chunks and, unless they ask, no second turn."""

    def test_closes_after_the_answer(self, gateway: Gateway, origin: Origin) -> None:
        with gateway.connect() as client:
            client.send(b"GET /o HTTP/1.0\r\nHost: gateway.test\r\n\r\n")
            assert client.read_response().body == b"origin"
            assert client.is_closed_by_peer()

    def test_keep_alive_on_request(self, gateway: Gateway, origin: Origin) -> None:
        with gateway.connect() as client:
            for _ in range(2):
                client.send(b"GET /o HTTP/1.0\r\nHost: gateway.test\r\nConnection: keep-alive\r\n\r\n")
                response = client.read_response()
                assert response.body == b"origin"
                assert (response.get("Connection") or "").lower() == "keep-alive"

    def test_needs_no_host(self, gateway: Gateway, origin: Origin) -> None:
        with gateway.connect() as client:
            client.send(b"GET /o HTTP/1.0\r\n\r\n")
            assert client.read_response().status == 200

    def test_chunks_of_the_target_are_unwrapped(self, gateway: Gateway, origin: Origin) -> None:
        origin.script = answer_in_chunks
        with gateway.connect() as client:
            client.send(b"GET /o HTTP/1.0\r\nHost: gateway.test\r\n\r\n")
            response = client.read_response()
            assert response.get("Transfer-Encoding") is None
            assert response.body == b"first,second"

    def test_target_of_http_10_without_length(self, gateway: Gateway, origin: Origin) -> None:
        def script(connection: OriginConnection) -> None:
            connection.receive()
            connection.send(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
            connection.close()

        origin.script = script
        with gateway.connect() as client:
            assert client.request(target="/o").body == b"until the end"
            assert client.request(target="/o").body == b"until the end", "the client's connection is kept"


class TestExpectContinue:
    """Expect: 100-continue is answered by the gateway and never reaches the target."""

    def test_client_is_told_to_go_on(self, gateway: Gateway, origin: Origin) -> None:
        origin.script = echo
        with gateway.connect() as client:
            client.send(b"POST /o/e HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 4\r\n")
            client.send(b"Expect: 100-continue\r\n\r\n")
            assert client.read_response().status == 100
            client.send(b"body")
            assert client.read_response().body == b"/e body"
        assert origin.next_request().get("Expect") is None

    def test_impatient_client_sends_at_once(self, gateway: Gateway, origin: Origin) -> None:
        origin.script = echo
        with gateway.connect() as client:
            client.send(request_bytes("POST", "/o/e", [("Expect", "100-continue")], b"body"))
            response = client.read_response()
            if response.status == 100:
                response = client.read_response()
            assert response.body == b"/e body"

    def test_unknown_expectation_fails(self, gateway: Gateway, origin: Origin) -> None:
        response = gateway.fetch("/o", method="POST", headers=[("Expect", "miracles")], body=b"x")
        assert response.status in (200, 417)


class TestChunked:
    """Chunked bodies pass in both directions, re-framed."""

    def test_request(self, gateway: Gateway, origin: Origin) -> None:
        origin.script = echo
        with gateway.connect() as client:
            client.send(
                b"POST /streamed/c HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n" + request_bytes(target="/streamed/next")
            )
            assert client.read_response().body == b"/c abc0123456789"
            assert client.read_response().body == b"/next ", (
                "what follows the last chunk is a request of its own"
            )

    def test_buffered_request_gets_a_length(self, gateway: Gateway, origin: Origin) -> None:
        origin.script = echo
        with gateway.connect() as client:
            client.send(
                b"POST /o/c HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3\r\nabc\r\n0\r\n\r\n"
            )
            assert client.read_response().body == b"/c abc"

    def test_response(self, gateway: Gateway, origin: Origin) -> None:
        origin.script = answer_in_chunks
        with gateway.connect() as client:
            for _ in range(2):
                assert client.request(target="/o").body == b"first,second"

    @pytest.mark.parametrize(
        ("headers", "arrive"),
        [([], False), ([("TE", "trailers"), ("Connection", "TE")], True)],
        ids=["not asked for", "asked for"],
    )
    def test_trailers_of_the_target(
        self, gateway: Gateway, origin: Origin, headers: list[tuple[str, str]], arrive: bool
    ) -> None:
        def script(connection: OriginConnection) -> None:
            connection.receive()
            connection.send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                b"4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n"
            )

        origin.script = script
        with gateway.connect() as client:
            for _ in range(2):
                response = client.request(target="/o", headers=headers)
                assert response.body == b"body"
                assert response.trailers == ([("X-Sum", "42")] if arrive else [])
                assert response.get("Trailer") == ("X-Sum" if arrive else None)

    def test_trailers_of_the_client_do_no_harm(self, gateway: Gateway, origin: Origin) -> None:
        origin.script = echo
        with gateway.connect() as client:
            client.send(
                b"POST /streamed/t HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"4\r\nbody\r\n0\r\nX-Sum: 42\r\nContent-Length: 7\r\n\r\n"
            )
            assert client.read_response().body == b"/t body"
            assert client.request(target="/o/next").body == b"/next "

    def test_answer_arrives_piece_by_piece(self, gateway: Gateway, origin: Origin) -> None:
        """An event stream: the client sees each piece before the target sends the next."""
        arrived = threading.Semaphore(0)

        def script(connection: OriginConnection) -> None:
            connection.receive()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(3):
                connection.send(b"2\r\nn%d\r\n" % number)
                assert arrived.acquire(timeout=TIMEOUT_S)
            connection.send(b"0\r\n\r\n")

        origin.script = script
        with gateway.connect() as client:
            client.send(request_bytes(target="/streamed"))
            client.read_head()
            for number in range(3):
                client.read_until(b"n%d\r\n" % number)
                arrived.release()
            assert client.read_until(b"0\r\n\r\n") == b"0\r\n\r\n"


def answer_in_chunks(connection: OriginConnection) -> None:
    connection.receive()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst,\r\n")
    connection.send(b"6\r\nsecond\r\n0\r\n\r\n")


def test_early_answer_while_the_body_still_comes(gateway: Gateway, origin: Origin) -> None:
    """A target may refuse an upload before it has read it."""

    def script(connection: OriginConnection) -> None:
        connection.receive_head()
        connection.answer(b"too much", status="413 Payload Too Large", headers=(("Connection", "close"),))
        connection.close()

    origin.script = script
    with gateway.connect() as client:
        client.send(b"POST /streamed HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 1000000\r\n\r\nstart")
        response = client.read_response()
        assert (response.status, response.body) == (413, b"too much")
