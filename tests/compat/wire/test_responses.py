"""What a target may send, and what a client never sees of it: lies about length, splitting, floods of 1xx.

A target that cannot be understood gives 502; one that breaks its promise in the middle of a body costs the
client its connection, because only then does the client know that something is missing.
"""

from __future__ import annotations

import pytest

from tests.compat.wire.corpus import pieces
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage
from tests.support.wire import Response

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"
SPLIT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def start(method: str = "GET") -> tuple[Stage, FarEnd, FarEnd]:
    """Return a stage without retries, and client and target of a request that waits for its answer."""
    stage = Stage(service={"retries": 0})
    client = stage.connect()
    client.send(request_bytes(method))
    target = stage.accept()
    target.read_request()
    return stage, client, target


def send(target: FarEnd, raw: bytes, piece_bytes: int | None) -> None:
    """Send in pieces, as long as the gateway takes them."""
    for piece in pieces(raw, piece_bytes):
        if target.is_closed:
            return
        target.send(piece)


REFUSED = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no status line": b"Content-Length: 0\r\n\r\n",
    "HTTP/0.9": b"<html>old</html>\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n" + EMPTY,
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n" + EMPTY,
    "lower-case version": b"http/1.1 200 OK\r\n" + EMPTY,
    "status of two digits": b"HTTP/1.1 20 OK\r\n" + EMPTY,
    "status of four digits": b"HTTP/1.1 2000 OK\r\n" + EMPTY,
    "status in letters": b"HTTP/1.1 OK\r\n" + EMPTY,
    "negative status": b"HTTP/1.1 -20 OK\r\n" + EMPTY,
    "status 099": b"HTTP/1.1 099 OK\r\n" + EMPTY,
    "two blanks before the status": b"HTTP/1.1  200 OK\r\n" + EMPTY,
    "line break before": b"\r\n" + OK + EMPTY,
    "nul in the reason": b"HTTP/1.1 200 O\0K\r\n" + EMPTY,
    "bare CR in the reason": b"HTTP/1.1 200 O\rK\r\n" + EMPTY,
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "two equal lengths": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "length in a list": OK + b"Content-Length: 2, 2\r\n\r\nab",
    "negative length": OK + b"Content-Length: -1\r\n\r\n",
    "hexadecimal length": OK + b"Content-Length: 0x2\r\n\r\nab",
    "empty length": OK + b"Content-Length:\r\n\r\n",
    "length above 64 bits": OK + b"Content-Length: 18446744073709551616\r\n\r\n",
    "length and coding": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "unknown coding": OK + b"Transfer-Encoding: gzip\r\n\r\nxyz",
    "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "coding with a tab before": OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "folded field": OK + b"X: a\r\n b\r\n" + EMPTY,
    "folded length": OK + b"Content-Length:\r\n 0\r\n\r\n",
    "blank before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "no colon": OK + b"nonsense\r\n" + EMPTY,
    "no name": OK + b": x\r\n" + EMPTY,
    "nul in a value": OK + b"X: \0\r\n" + EMPTY,
    "bare CR in a value": OK + b"X: a\rb\r\n" + EMPTY,
    "bare LF in a value": OK + b"X: a\nSet-Cookie: evil=1\r\n" + EMPTY,
    "unasked 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "flood of 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    "flood of 103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100 + OK + EMPTY,
    "endless head": OK + b"X: " + b"y" * 70_000,
    "too large a head": OK + b"X: " + b"y" * 70_000 + b"\r\n" + EMPTY,
}


@pytest.mark.parametrize("piece_bytes", [None, 7])
@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
def test_refused(raw: bytes, piece_bytes: int | None) -> None:
    stage, client, target = start()
    send(target, raw, piece_bytes)
    assert client.read_response().status == 502
    assert client.receive() == b""
    assert target.is_closed
    assert not client.is_closed, "it is not the client's fault"
    assert not stage.bugs


BROKEN_OFF = {
    "chunk size": b"zz\r\n",
    "chunk too long": b"1\r\nab\r\n",
    "bare LF in a chunk line": b"1\na\r\n",
    "trailer with a bare LF": b"0\r\nX: a\nb\r\n\r\n",
    "trailer without colon": b"0\r\nnonsense\r\n\r\n",
}


@pytest.mark.parametrize("raw", BROKEN_OFF.values(), ids=BROKEN_OFF.keys())
def test_broken_off(raw: bytes) -> None:
    stage, client, target = start()
    target.send(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
    send(target, raw, None)
    assert client.transport.was_aborted
    assert target.is_closed
    assert not client.receive().endswith(b"0\r\n\r\n")
    assert not stage.bugs


PASSED = {
    "length": (OK + b"Content-Length: 4\r\n\r\nbody", b"body"),
    "leading zeros": (OK + b"Content-Length: 0004\r\n\r\nbody", b"body"),
    "chunked": (OK + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nbo\r\n2;x=y\r\ndy\r\n0\r\n\r\n", b"body"),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nbody", b"body"),
    "empty reason": (b"HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\nbody", b"body"),
    "latin-1 in the reason": (b"HTTP/1.1 200 D\xe9sol\xe9\r\nContent-Length: 4\r\n\r\nbody", b"body"),
    "100 before": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\nbody", b"body"),
    "103 before": (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\nbody", b"body"),
    "1xx with a length": (
        b"HTTP/1.1 102 Processing\r\nContent-Length: 50\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\nbody",
        b"body",
    ),
    "underscored length": (OK + b"Content_Length: 9\r\nContent-Length: 4\r\n\r\nbody", b"body"),
    "length named away": (OK + b"Connection: content-length\r\nContent-Length: 4\r\n\r\nbody", b"body"),
    "coding named away": (
        OK + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        b"body",
    ),
}


def check_clean(response: Response) -> None:
    """One framing, and nothing of the connection behind."""
    assert len(response.get_all("Content-Length")) + len(response.get_all("Transfer-Encoding")) == 1
    assert response.get("Connection") == "keep-alive"
    assert response.get("Keep-Alive") is None


@pytest.mark.parametrize("piece_bytes", [None, 1])
@pytest.mark.parametrize(("raw", "body"), PASSED.values(), ids=PASSED.keys())
def test_passed(raw: bytes, body: bytes, piece_bytes: int | None) -> None:
    stage, client, target = start()
    send(target, raw, piece_bytes)
    response = client.read_response()
    check_clean(response)
    assert (response.status, response.body, client.receive()) == (200, body, b"")
    client.send(request_bytes(target="/next"))
    assert target.read_request().target == "/next", "the connection is in step"
    assert not stage.bugs


LIES = {
    "longer than its length": OK + b"Content-Length: 4\r\n\r\nbody" + SPLIT,
    "behind the last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n" + SPLIT,
    "body of an empty answer": OK + EMPTY + SPLIT,
    "body of 204": b"HTTP/1.1 204 No Content\r\n\r\n" + SPLIT,
    "length of 204": b"HTTP/1.1 204 No Content\r\nContent-Length: 70\r\n\r\n" + SPLIT,
    "coding of 204": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + SPLIT,
    "body of 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 70\r\n\r\n" + SPLIT,
}


@pytest.mark.parametrize("piece_bytes", [None, 1])
@pytest.mark.parametrize("raw", LIES.values(), ids=LIES.keys())
def test_second_answer_reaches_nobody(raw: bytes, piece_bytes: int | None) -> None:
    stage, client, target = start()
    send(target, raw, piece_bytes)
    assert client.read_response().status in (200, 204, 304)
    assert client.receive() == b""
    assert target.is_closed
    client.send(request_bytes(target="/next"))
    fresh = stage.accept()
    fresh.read_request()
    fresh.answer(b"honest")
    assert client.read_response().body == b"honest"


@pytest.mark.parametrize("framing", [b"Content-Length: 70\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_body_of_a_head_answer_reaches_nobody(framing: bytes) -> None:
    _, client, target = start("HEAD")
    target.send(OK + framing + b"\r\n" + SPLIT)
    assert client.read_response("HEAD").status == 200
    assert client.receive() == b""
    assert target.is_closed


@pytest.mark.parametrize("piece_bytes", [None, 1])
def test_shorter_than_its_length(piece_bytes: int | None) -> None:
    _, client, target = start()
    send(target, OK + b"Content-Length: 10\r\n\r\nbody", piece_bytes)
    target.finish()
    assert client.transport.was_aborted


def test_answer_between_requests_reaches_nobody() -> None:
    """What an idle target sends would be taken for the answer to the next request."""
    stage, client, target = start()
    target.answer(b"first")
    client.read_response()
    target.send(SPLIT)
    assert target.is_closed
    client.send(request_bytes())
    fresh = stage.accept()
    fresh.read_request()
    fresh.answer(b"second")
    assert client.read_response().body == b"second"


@pytest.mark.parametrize("greeting", [SPLIT, b"220 mail.test ESMTP\r\n"])
def test_answer_before_the_request_reaches_nobody(greeting: bytes) -> None:
    stage = Stage(service={"retries": 0})
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept(before=greeting)
    assert client.read_response().status == 502
    assert target.is_closed
    assert not stage.bugs


def test_hop_by_hop_fields_stay_behind() -> None:
    _, client, target = start()
    target.answer(
        b"",
        "200 OK",
        "Connection: X-Secret",
        "X-Secret: 1",
        "Keep-Alive: timeout=5",
        "Upgrade: h2c",
        "X-A: 1",
    )
    response = client.read_response()
    check_clean(response)
    assert [response.get(name) for name in ("X-Secret", "Upgrade", "X-A")] == [None, None, "1"]


FORGED = ("X-Kong-Upstream-Latency", "X-Kong-Proxy-Latency", "X-Kong-Request-Id", "X-Kong-Response-Latency")


def test_kongs_own_fields_cannot_be_forged() -> None:
    _, client, target = start()
    target.answer(b"", "200 OK", *(f"{name}: forged" for name in FORGED))
    response = client.read_response()
    assert "forged" not in [response.get(name) for name in FORGED]
