"""udp-log, row by row of its page, against a real socket on loopback."""

from __future__ import annotations

import asyncio
import json

from dbless_gateway.plugins import udp_log
from tests.support.plugin_context import FakeContext, FakeHost, make_env, make_handler
from tests.support.sinks import UdpSink


def test_datagrams() -> None:
    async def scenario() -> list[bytes]:
        host = FakeHost()
        async with UdpSink() as sink:
            config = {"host": "127.0.0.1", "port": sink.port, "timeout": None}
            handler = make_handler(udp_log, config, make_env(host))
            for status in (200, 404):
                ctx = FakeContext()
                ctx.respond(status)
                handler.log(ctx)
            (queue,) = host.queues.values()
            await queue.send(queue.entries)
            received = await sink.datagrams(2)
            for sender in host.resources.values():
                sender.close()
            return received

    datagrams = asyncio.run(scenario())
    assert [json.loads(datagram)["response"]["status"] for datagram in datagrams] == [200, 404]
    assert not any(datagram.endswith(b"\n") for datagram in datagrams)
