"""The client for log servers, against real servers on loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dbless_gateway.pdk.http_client import Answer, Endpoint, HttpClient
from tests.support.certificates import self_signed
from tests.support.sinks import OK, HttpSink


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://logs.test", ("http", "logs.test", 80, "/", None, "logs.test")),
        ("https://logs.test/a/b?q=1", ("https", "logs.test", 443, "/a/b", None, "logs.test")),
        ("http://logs.test:8080/x", ("http", "logs.test", 8080, "/x", None, "logs.test:8080")),
        ("http://[::1]:81/", ("http", "::1", 81, "/", None, "[::1]:81")),
        ("http://us%40er:pa%3Ass@h/", ("http", "h", 80, "/", "Basic dXNAZXI6cGE6c3M=", "h")),
        ("http://user@h/", ("http", "h", 80, "/", "Basic dXNlcjo=", "h")),
    ],
)
def test_endpoints(url: str, expected: tuple[Any, ...]) -> None:
    endpoint = Endpoint.parse(url)

    parts = (endpoint.scheme, endpoint.host, endpoint.port, endpoint.path, endpoint.authorization)
    assert (*parts, endpoint.host_header) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("logs.test", "missing host in url"),
        ("/x", "missing host in url"),
        ("ftp://h/", "missing scheme in url"),
    ],
)
def test_what_is_no_endpoint(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Endpoint.parse(url)


async def _send(sink: HttpSink, count: int, **changes: Any) -> list[Answer]:
    options: dict[str, Any] = {"timeout_s": 5, "keepalive_s": 60} | changes
    async with sink:
        client = HttpClient(Endpoint.parse(sink.url), **options)
        try:
            return [await client.send("POST", [("X-A", "1")], b"body") for _ in range(count)]
        finally:
            client.close()


@pytest.mark.parametrize(
    ("script", "answers", "connections"),
    [
        ([OK, OK], [Answer(200, b"ok")] * 2, 1),
        (
            [b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", OK],
            [Answer(503, b""), Answer(200, b"ok")],
            2,
        ),
        ([b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nuntil the end"], [Answer(200, b"until the end")], 1),
        ([b"HTTP/1.1 204 N\r\n\r\n", OK], [Answer(204, b""), Answer(200, b"ok")], 1),
        ([b"HTTP/1.1 100 C\r\n\r\n" + OK], [Answer(200, b"ok")], 1),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"],
            [Answer(200, b"a")],
            1,
        ),
        ([OK, None, OK], [Answer(200, b"ok")] * 2, 2),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000], [Answer(200, b"x" * 4096)], 1),
    ],
)
def test_exchanges(script: list[bytes | None], answers: list[Answer], connections: int) -> None:
    async def scenario() -> int:
        sink = HttpSink(*script)
        assert await _send(sink, len(answers)) == answers
        return sink.connections

    assert asyncio.run(scenario()) == connections


def test_the_request() -> None:
    async def scenario() -> tuple[bytes, bytes]:
        sink = HttpSink()
        await _send(sink, 1)
        return (await sink.requests(1))[0]

    head, body = asyncio.run(scenario())
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /log HTTP/1.1"
    assert lines[1].startswith(b"Host: 127.0.0.1:")
    assert lines[2:] == [b"X-A: 1", b"Content-Length: 4"]
    assert body == b"body"


def test_tls_without_verification() -> None:
    async def scenario() -> list[Answer]:
        return await _send(HttpSink(tls=self_signed()), 1)

    assert asyncio.run(scenario()) == [Answer(200, b"ok")]


def test_a_stale_connection_is_not_used_again() -> None:
    async def scenario() -> int:
        sink = HttpSink()
        await _send(sink, 2, keepalive_s=-1)
        return sink.connections

    assert asyncio.run(scenario()) == 2


@pytest.mark.parametrize(
    ("script", "error"),
    [([None], EOFError), ([b"SSH-2.0-x\r\n\r\n"], ConnectionError)],
)
def test_failures(script: list[bytes | None], error: type[Exception]) -> None:
    async def scenario() -> None:
        with pytest.raises(error):
            await _send(HttpSink(*script), 1)

    asyncio.run(scenario())


class SlowSink(HttpSink):
    """Answers when so many requests are there."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._all_there = asyncio.Barrier(count)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(b"body"))
            await self._all_there.wait()
            writer.write(OK)


def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    async def scenario() -> tuple[list[Answer], int]:
        async with SlowSink(3) as sink:
            client = HttpClient(Endpoint.parse(sink.url), timeout_s=5, keepalive_s=60)
            try:
                rounds = [
                    await asyncio.gather(*(client.send("POST", (), b"body") for _ in range(3)))
                    for _ in range(2)
                ]
            finally:
                client.close()
            return rounds[0] + rounds[1], sink.connections

    # One of the first three is used again.
    assert asyncio.run(scenario()) == ([Answer(200, b"ok")] * 6, 5)


def test_a_server_that_says_nothing() -> None:
    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await _send(HttpSink(b""), 1, timeout_s=0.01)

    asyncio.run(scenario())
