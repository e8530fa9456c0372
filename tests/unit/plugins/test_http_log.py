"""http-log, row by row of its page, against a real server on loopback."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import http_log
from tests.support.certificates import self_signed
from tests.support.plugin_context import FakeContext, FakeHost, make_env, make_handler
from tests.support.sinks import HttpSink

DEFAULTS: dict[str, Any] = {
    "http_endpoint": "http://logs.test/",
    "method": "POST",
    "content_type": "application/json",
    "timeout": 5000,
    "keepalive": 60000,
    "headers": None,
    "queue": {"max_batch_size": 1},
}


def make(host: FakeHost, **config: Any) -> Any:
    return make_handler(http_log, DEFAULTS | config, make_env(host))


def deliver(sink: HttpSink, requests: int, **config: Any) -> list[tuple[bytes, bytes]]:
    """Log requests, send what is queued as one batch, return what the server got."""

    async def scenario() -> list[tuple[bytes, bytes]]:
        host = FakeHost()
        async with sink:
            handler = make(host, http_endpoint=sink.url, **config)
            for status in range(200, 200 + requests):
                ctx = FakeContext()
                ctx.respond(status)
                handler.log(ctx)
            (queue,) = host.queues.values()
            try:
                await queue.send(queue.entries)
            finally:
                for client in host.resources.values():
                    client.close()
            return await sink.requests(1)

    return asyncio.run(scenario())


def test_a_single_record() -> None:
    ((head, body),) = deliver(HttpSink(), 1, method="PUT", headers={"X-Key": "k"})
    lines = head.decode().split("\r\n")

    assert lines[0] == "PUT /log HTTP/1.1"
    assert "Content-Type: application/json" in lines
    assert "X-Key: k" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert json.loads(body)["response"]["status"] == 200


@pytest.mark.parametrize("config", [{"queue": {"max_batch_size": 5}}, {"queue_size": 5}])
@pytest.mark.parametrize("count", [1, 3])
def test_batches_are_arrays(config: dict[str, Any], count: int) -> None:
    ((_, body),) = deliver(HttpSink(), count, **config)

    assert [record["response"]["status"] for record in json.loads(body)] == list(range(200, 200 + count))


def test_tls_and_another_content_type() -> None:
    ((head, _),) = deliver(
        HttpSink(tls=self_signed()),
        1,
        content_type="application/json; charset=utf-8",
        timeout=None,
        keepalive=None,
    )

    assert b"Content-Type: application/json; charset=utf-8\r\n" in head


@pytest.mark.parametrize("status", [300, 404, 503])
def test_any_status_from_300_is_a_failure(status: int) -> None:
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 4\r\n\r\nbusy" % status

    with pytest.raises(ConnectionError, match=f"returned status code {status} and body busy"):
        deliver(HttpSink(answer), 1)


class Closing(HttpSink):
    """Takes a request and hangs up."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")


class Silent(HttpSink):
    """Takes a request and never answers."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("sink", "reason"),
    [(Closing, "the server closed the connection without an answer"), (Silent, "timeout")],
)
def test_failed_requests_say_where_to(sink: type[HttpSink], reason: str) -> None:
    with pytest.raises(ConnectionError, match=rf"^failed request to 127\.0\.0\.1:\d+: {reason}$"):
        deliver(sink(), 1, timeout=20)


@pytest.mark.parametrize(
    ("url", "line", "lines"),
    [
        ("http://{}", "POST / HTTP/1.1", []),
        ("http://{}/a/b?query=dropped", "POST /a/b HTTP/1.1", []),
        ("http://us:pa@{}/x", "POST /x HTTP/1.1", ["Authorization: Basic dXM6cGE="]),
    ],
)
def test_urls(url: str, line: str, lines: list[str]) -> None:
    class Addressed(HttpSink):
        @property
        def url(self) -> str:
            return url.format(f"127.0.0.1:{self.port}")

    sink = Addressed()
    ((head, _),) = deliver(sink, 1, method="POST")
    found = head.decode().split("\r\n")

    assert found[:2] == [line, f"Host: 127.0.0.1:{sink.port}"]
    assert set(lines) <= set(found)


def test_instances_with_the_same_endpoint_share_a_queue() -> None:
    host = FakeHost()
    for config in ({}, {"headers": {"X": "1"}}, {"timeout": 1}, {"method": "PUT"}):
        ctx = FakeContext()
        ctx.respond()
        make(host, **config).log(ctx)

    assert len(host.queues) == 3


@pytest.mark.parametrize(
    ("config", "field", "message"),
    [
        ({"http_endpoint": "/x"}, "http_endpoint", "missing host in url"),
        ({"http_endpoint": "//logs.test/x"}, "http_endpoint", "missing scheme in url"),
        (
            {"http_endpoint": "http://u:p@logs.test", "headers": {"authorization": "x"}},
            "",
            "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed",
        ),
    ],
)
def test_config_errors(config: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(FakeHost(), **config)

    assert (caught.value.field, caught.value.message) == (field, message)
