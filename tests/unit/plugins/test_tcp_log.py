"""tcp-log, row by row of its page, against a real listener on loopback."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from dbless_gateway.plugins import tcp_log
from tests.support.certificates import self_signed
from tests.support.plugin_context import FakeContext, FakeHost, FakeTls, make_env, make_handler, make_route
from tests.support.sinks import TcpSink


@pytest.mark.parametrize("tls", [False, True])
def test_lines(tls: bool) -> None:
    async def scenario() -> list[Any]:
        host = FakeHost()
        async with TcpSink(tls=self_signed() if tls else None) as sink:
            config = {"host": "127.0.0.1", "port": sink.port, "timeout": 5000, "keepalive": 60000, "tls": tls}
            handler = make_handler(tcp_log, config | {"tls_sni": "logs.test"}, make_env(host))
            for session in (None, FakeTls()):
                ctx = FakeContext()
                ctx.tls = session
                ctx.respond()
                handler.log(ctx)
            (queue,) = host.queues.values()
            await queue.send(queue.entries)
            lines = await sink.lines(2)
            for sender in host.resources.values():
                sender.close()
            return [json.loads(line) for line in lines]

    plain, encrypted = asyncio.run(scenario())
    assert "tls" not in plain["request"]
    assert encrypted["request"]["tls"]["client_verify"] == "NONE"


def deliver(sink: TcpSink, **config: Any) -> dict[str, Any]:
    """Return the record of a request that a plugin answered, as the sink got it."""

    async def scenario() -> bytes:
        host = FakeHost()
        async with sink:
            values = {"host": "127.0.0.1", "port": sink.port, "tls": False} | config
            ctx = FakeContext(route=make_route("r1"))
            ctx.respond(401)
            make_handler(tcp_log, values, make_env(host)).log(ctx)
            (queue,) = host.queues.values()
            await queue.send(queue.entries)
            (line,) = await sink.lines(1)
            for sender in host.resources.values():
                sender.close()
            return line

    record: dict[str, Any] = json.loads(asyncio.run(scenario()))
    return record


def test_a_request_that_ended_early_has_an_empty_list_of_tries() -> None:
    assert deliver(TcpSink())["tries"] == []


@pytest.mark.parametrize(
    ("config", "name"),
    [({"tls_sni": "logs.test"}, "logs.test"), ({"host": "localhost"}, "localhost"), ({}, None)],
)
def test_the_name_in_the_handshake(config: dict[str, Any], name: str | None) -> None:
    names: list[str | None] = []
    context = self_signed()
    context.sni_callback = lambda _, found, __: names.append(found)
    deliver(TcpSink(tls=context), tls=True, **config)

    assert names == [name]


def test_instances_with_the_same_receiver_share_a_connection() -> None:
    host = FakeHost()
    for port in (1, 1, 2):
        config = {"host": "127.0.0.1", "port": port, "timeout": None, "keepalive": None, "tls": False}
        ctx = FakeContext()
        ctx.respond()
        make_handler(tcp_log, config, make_env(host)).log(ctx)

    assert len(host.queues) == 2
    assert all(queue.parameters["max_retry_time"] == 0 for queue in host.queues.values())
