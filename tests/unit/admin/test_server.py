"""The server on real loopback sockets, driven by bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, json_answer
from dbless_gateway.admin.server import (
    IDLE_TIMEOUT_S,
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_PIPELINED,
    AdminServer,
    vouched_for,
)


async def echo(request: AdminRequest) -> AdminAnswer:
    """Answer with what was understood."""
    if request.path == "/bug":
        raise RuntimeError("bug")
    if request.path == "/none":
        return AdminAnswer(204, None, headers={"Allow": "GET"})
    return json_answer(200, [request.method, request.path, dict(request.query), request.body.decode()])


def serve(
    scenario: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    idle_timeout_s: float = IDLE_TIMEOUT_S,
) -> None:
    async def inner() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        server = AdminServer(echo, "kong/x", idle_timeout_s=idle_timeout_s)
        await server.start([sock], 16)
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        try:
            async with asyncio.timeout(10):
                await scenario(reader, writer)
        finally:
            writer.close()
            await server.close()

    asyncio.run(inner())


async def read_answer(
    reader: asyncio.StreamReader, *, bodyless: bool = False
) -> tuple[int, list[str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    lengths = [int(line.split(": ")[1]) for line in head if line.startswith("Content-Length")]
    body = b"" if bodyless or not lengths else await reader.readexactly(lengths[0])
    return int(head[0].split(" ")[1]), head, body


def test_a_request_is_understood_and_answered() -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /a%20b?x=1&y=%2F&x=2&z= HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
        status, head, body = await read_answer(reader)
        assert status == 200
        assert body == b'["POST","/a%20b",{"x":"2","y":"/","z":""},"body"]'
        assert "Server: kong/x" in head
        assert "Content-Type: application/json; charset=utf-8" in head
        assert "Access-Control-Allow-Origin: *" in head
        assert "Access-Control-Allow-Credentials: true" in head
        assert any(line.startswith("X-Kong-Admin-Latency: ") for line in head)

    serve(scenario)


def test_the_connection_is_kept_and_pipelined_requests_are_answered_in_order() -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = MAX_PIPELINED * 3
        writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(count)))
        for number in range(count):
            _, head, body = await read_answer(reader)
            assert f'"/{number}"'.encode() in body
            assert "Connection: close" not in head

    serve(scenario)


def test_a_request_may_come_byte_by_byte() -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await read_answer(reader))[2] == b'["PUT","/x",{},"hi"]'

    serve(scenario)


@pytest.mark.parametrize("head", [b"GET / HTTP/1.0\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n"])
def test_the_connection_ends_when_the_client_wants_it(head: bytes) -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"Host: h\r\n\r\n")
        status, lines, _ = await read_answer(reader)
        assert status == 200
        assert "Connection: close" in lines
        assert await reader.read() == b""

    serve(scenario)


def test_head_and_no_content_have_no_body() -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\n\r\n")
        _, head, _ = await read_answer(reader, bodyless=True)
        assert any(line.startswith("Content-Length: ") for line in head)
        status, head, _ = await read_answer(reader)
        assert status == 204
        assert "Allow: GET" in head
        assert not any(line.startswith("Content-") for line in head)

    serve(scenario)


def test_the_origin_is_allowed() -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nOrigin: http://gui\r\n\r\n")
        assert "Access-Control-Allow-Origin: http://gui" in (await read_answer(reader))[1]

    serve(scenario)


def test_a_bug_is_one_500_and_the_connection_goes_on() -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for path, expected in ((b"/bug", 500), (b"/", 200)):
            writer.write(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
            status, _, body = await read_answer(reader)
            assert status == expected
        assert b"bug" not in body

    serve(scenario)


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await read_answer(reader))[0] == 100
        writer.write(b"ok")
        assert (await read_answer(reader))[0] == 200

    serve(scenario)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"x" * MAX_HEAD_BYTES), 431),
        (b"GET /%s HTTP/1.1\r\n\r\n" % (b"x" * MAX_HEAD_BYTES), 431),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s"
            % (MAX_BODY_BYTES + 1, b"x" * (MAX_BODY_BYTES + 1)),
            413,
        ),
    ],
    ids=["nonsense", "length", "upgrade", "headers", "target", "announced body", "chunked body"],
)
def test_bad_requests_are_refused_and_the_connection_closed(request_bytes: bytes, status: int) -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request_bytes)
        found, head, _ = await read_answer(reader)
        assert found == status
        assert "Connection: close" in head

    serve(scenario)


def test_an_idle_connection_is_closed() -> None:
    async def scenario(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""

    serve(scenario, idle_timeout_s=0.01)


class _Peer(asyncio.BaseTransport):
    """The transport of a connection from an address, with a certificate that was verified or without."""

    def __init__(self, address: str, certificate: dict[str, str] | None) -> None:
        super().__init__({"peername": (address, 1), "ssl_object": self if certificate is not None else None})
        self._certificate = certificate

    def getpeercert(self) -> dict[str, str] | None:
        return self._certificate

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("address", "certificate", "is_trusted"),
    [
        ("127.0.0.1", None, True),
        ("127.9.9.9", None, True),
        ("::1", None, True),
        ("::ffff:127.0.0.1", None, True),
        ("10.0.0.1", None, False),
        ("fe80::1%eth0", None, False),
        ("::ffff:10.0.0.1", None, False),
        ("10.0.0.1", {}, False),
        ("10.0.0.1", {"subject": "operator"}, True),
    ],
)
def test_who_is_trusted(address: str, certificate: dict[str, str] | None, is_trusted: bool) -> None:
    assert vouched_for(_Peer(address, certificate)) is is_trusted
