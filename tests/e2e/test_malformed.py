"""Requests that two readers could understand in two ways are refused, and the connection is closed.

Nothing of a refused request may reach a target, and nothing that follows it on the connection either.
"""

from __future__ import annotations

import pytest

from tests.support.client import request_bytes
from tests.support.gateway import Gateway
from tests.support.origin import Origin

HOST = b"Host: gateway.test\r\n"
SMUGGLED = b"GET /o/smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


@pytest.mark.parametrize(
    "request_head",
    [
        b"POST /o HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 4\r\n\r\nabcd",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Content-Length: 0x3\r\n\r\nabc",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /o HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /o HTTP/1.1\r\n" + HOST + b"X: 1\r\n folded\r\n\r\n",
        b"GET /o HTTP/1.1\r\n" + HOST + b"Bad Name: 1\r\n\r\n",
        b"GET /o HTTP/1.1\r\n" + HOST + b"X-Space : 1\r\n\r\n",
        b"GET /o HTTP/1.1\r\n" + HOST + b": empty\r\n\r\n",
        b"GET /o HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n",
        b"GET /o HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"GET /o HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n",
        b"GET /o HTTP/1.1\n" + HOST + b"\r\n",
        b"GET /o HTTP/1.1\r\nHost: gateway.test\nX: 1\r\n\r\n",
        b"GET /o HTTP/1.1\r\n\r\n",
        b"GET /o HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET /o HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET /o HTTP/1.1 \r\n" + HOST + b"\r\n",
        b"GET  /o HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /o\r\n" + HOST + b"\r\n",
        b"GET /o HTTP/3.7\r\n" + HOST + b"\r\n",
        b"GET /o http/1.1\r\n" + HOST + b"\r\n",
        b"G\x01T /o HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /o\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT gateway.test:80 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)
def test_ambiguous_head_is_refused(gateway: Gateway, origin: Origin, request_head: bytes) -> None:
    with gateway.connect() as client:
        client.send(request_head + SMUGGLED)
        response = client.read_response("GET")
        rest = client.read_to_end()

    assert response.status in (400, 501, 505), response.raw
    assert response.get("Connection") == "close"
    assert rest == b"", "nothing after the refusal"
    assert origin.requests == []


@pytest.mark.parametrize("target", ["o", "/%zz", "/o/../../etc", "/o/%2e%2e/%2e%2e/etc", "/o/%00", "/o%0"])
def test_bad_target_is_refused(gateway: Gateway, origin: Origin, target: str) -> None:
    assert gateway.fetch(target).status == 400
    assert origin.requests == []


@pytest.mark.parametrize(
    "refused",
    [
        b"POST /o HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"GET /o HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Expect: miracles\r\nContent-Length: 5\r\n\r\n",
        b"POST /o HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /o HTTP/1.1\r\n" + HOST + b"Proxy-Connection: close\r\n\r\n",
    ],
)
def test_no_trace_is_left_for_the_next_client(gateway: Gateway, origin: Origin, refused: bytes) -> None:
    """The worker's parser may have expected a body, or an end: of that client, and of nobody else."""
    with gateway.connect() as client:
        client.send(refused)
        client.read_response()
    assert gateway.fetch("/o").status == 200
    with gateway.connect() as client:
        client.send(b"GET /o HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n")
        assert client.read_response().status == 400


@pytest.mark.parametrize(
    "chunks",
    [
        b"3x\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabc0\r\n\r\n",
        b"\r\n3\r\nabc\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        b"3 \x00\r\nabc\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("path", ["/o", "/streamed"])
def test_broken_chunks_end_the_connection(gateway: Gateway, origin: Origin, path: str, chunks: bytes) -> None:
    with gateway.connect() as client:
        head = f"POST {path} HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.send(head.encode() + chunks + SMUGGLED)
        answer = client.read_to_end()

    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer
    assert answer.count(b"HTTP/1.1 ") <= 1, "nothing after the refusal"
    assert "/smuggled" not in [request.target for request in origin.requests]


@pytest.mark.parametrize(
    ("request_head", "statuses"),
    [
        (b"GET /o/" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {414}),
        (b"GET /o HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 100_000 + b"\r\n\r\n", {400, 431}),
        (b"GET /o HTTP/1.1\r\n" + HOST + b"X: 1\r\n" * 5_000 + b"\r\n", {400, 431}),
        (b"TRACE /o HTTP/1.1\r\n" + HOST + b"\r\n", {405}),
    ],
    ids=["long line", "long header", "many headers", "trace"],
)
def test_limits_of_a_head(gateway: Gateway, origin: Origin, request_head: bytes, statuses: set[int]) -> None:
    with gateway.connect() as client:
        client.send(request_head)
        assert client.read_response().status in statuses
    assert origin.requests == []


def test_refusal_is_worded_as_kong_does(gateway: Gateway) -> None:
    with gateway.connect() as client:
        client.send(b"GET /o HTTP/1.1\r\n\r\n")
        response = client.read_response()

    assert response.status == 400
    assert response.get("Content-Type") == "text/plain; charset=utf-8"
    assert response.body.decode().startswith("Bad request\nrequest_id: ")


def test_answers_before_the_broken_request_arrive(gateway: Gateway, origin: Origin) -> None:
    with gateway.connect() as client:
        client.send(request_bytes(target="/o/first") + b"nonsense\r\n\r\n")
        assert client.read_response().body == b"origin"
        assert client.read_response().status == 400


def test_empty_lines_before_a_request_are_legal(gateway: Gateway, origin: Origin) -> None:
    with gateway.connect() as client:
        client.send(b"\r\n" + request_bytes(target="/o"))
        assert client.read_response().status == 200
