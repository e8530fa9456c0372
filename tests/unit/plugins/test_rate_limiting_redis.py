"""rate-limiting and response-ratelimiting with a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.pdk.redis_store import SyncedCounters
from dbless_gateway.plugins import rate_limiting, response_ratelimiting
from tests.support.plugin_context import FakeContext, FakeHost, make_env, make_handler
from tests.support.redis_server import direct, free_port, running_redis

DEFAULTS: dict[str, Any] = {
    "limit_by": "ip",
    "policy": "redis",
    "fault_tolerant": True,
    "hide_client_headers": False,
    "error_code": 429,
    "error_message": "API rate limit exceeded",
    "sync_rate": -1,
}


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with running_redis() as number:
        yield number


@pytest.fixture
def port(server: int) -> int:
    with direct(server) as client:
        client.flushall()
    return server


def _redis(port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "timeout": 1000, "database": 0}


class Node:
    """A gateway's host with a rate-limiting handler; nodes share nothing but Redis."""

    def __init__(self, port: int, **config: Any) -> None:
        self.host = FakeHost()
        values = DEFAULTS | {"redis": _redis(port)} | config
        self.handler = make_handler(rate_limiting, values, make_env(self.host))

    async def ask(self) -> tuple[int, dict[str, str]]:
        ctx = FakeContext()
        reply = await self.handler.access(ctx)
        return (reply.status if reply else 0), ctx.response_headers

    async def close(self) -> None:
        stores = list(self.host.resources.values())
        for resource in sorted(stores, key=lambda found: not isinstance(found, SyncedCounters)):
            await resource.close()


def test_counts_down_and_refuses(port: int) -> None:
    async def scenario() -> list[tuple[int, str]]:
        node = Node(port, minute=2, hour=10)
        seen = [await node.ask() for _ in range(4)]
        await node.close()
        return [(status, headers["RateLimit-Remaining"]) for status, headers in seen]

    assert asyncio.run(scenario()) == [(0, "1"), (0, "0"), (429, "0"), (429, "0")]
    with direct(port) as client:
        names = sorted(key.decode() for key in client.scan_iter())
        counts = [int(client.get(name) or 0) for name in names]
    nil = "00000000-0000-0000-0000-000000000000"
    assert names == [
        f"ratelimit:{nil}:{nil}:127.0.0.1:1699999200000:hour",
        f"ratelimit:{nil}:{nil}:127.0.0.1:1699999980000:minute",
    ]
    # Reading is counting: a refused request counts too.
    assert counts == [4, 4]


def test_two_nodes_hold_one_limit(port: int) -> None:
    async def scenario() -> int:
        nodes = [Node(port, minute=100), Node(port, minute=100)]
        answers = await asyncio.gather(*(node.ask() for _ in range(80) for node in nodes))
        for node in nodes:
            await node.close()
        return sum(status == 0 for status, _ in answers)

    assert asyncio.run(scenario()) == 100


@pytest.mark.parametrize(("fault_tolerant", "status"), [(True, 0), (False, 500)])
def test_redis_is_away(fault_tolerant: bool, status: int) -> None:
    async def scenario() -> tuple[int, dict[str, str]]:
        node = Node(free_port(), minute=1, fault_tolerant=fault_tolerant)
        answer = await node.ask()
        await node.close()
        return answer

    assert asyncio.run(scenario()) == (status, {})


def test_sync_rate(port: int) -> None:
    async def scenario() -> list[int]:
        node = Node(port, minute=3, sync_rate=1000)
        seen = [(await node.ask())[0] for _ in range(4)]
        await node.close()
        late = Node(port, minute=3, sync_rate=1000)
        seen.append((await late.ask())[0])
        await late.close()
        return seen

    assert asyncio.run(scenario()) == [0, 0, 0, 429, 429]


def test_hidden_headers(port: int) -> None:
    async def scenario() -> list[tuple[int, dict[str, str]]]:
        node = Node(port, minute=1, hide_client_headers=True)
        seen = [await node.ask() for _ in range(2)]
        await node.close()
        return seen

    assert asyncio.run(scenario()) == [(0, {}), (429, {})]


def test_response_ratelimiting(port: int) -> None:
    config: dict[str, Any] = {
        "header_name": "x-kong-limit",
        "limit_by": "ip",
        "policy": "redis",
        "fault_tolerant": True,
        "redis": _redis(port),
        "block_on_first_violation": False,
        "hide_client_headers": False,
        "limits": {"video": {"minute": 2}},
    }

    async def scenario() -> list[int]:
        host = FakeHost()
        handler = make_handler(response_ratelimiting, config, make_env(host))
        seen = []
        for _ in range(3):
            ctx = FakeContext()
            assert await handler.access(ctx) is None
            ctx.respond(200, [("X-Kong-Limit", "video=1")])
            handler.header_filter(ctx)
            handler.log(ctx)
            for queue in host.queues.values():
                await queue.send(queue.entries)
                queue.entries.clear()
            seen.append(ctx.response.status)
        for resource in host.resources.values():
            await resource.close()
        return seen

    assert asyncio.run(scenario()) == [200, 200, 429]


@pytest.mark.parametrize(("fault_tolerant", "status"), [(True, 0), (False, 500)])
def test_response_ratelimiting_without_redis(fault_tolerant: bool, status: int) -> None:
    config: dict[str, Any] = {
        "limit_by": "ip",
        "policy": "redis",
        "fault_tolerant": fault_tolerant,
        "redis": _redis(free_port()),
        "limits": {"video": {"minute": 2}},
    }

    async def scenario() -> int:
        host = FakeHost()
        reply = await make_handler(response_ratelimiting, config, make_env(host)).access(FakeContext())
        for resource in host.resources.values():
            await resource.close()
        return reply.status if reply else 0

    assert asyncio.run(scenario()) == status


@pytest.mark.parametrize("module", [rate_limiting, response_ratelimiting])
def test_the_policy_needs_a_host(module: Any) -> None:
    config = DEFAULTS | {"minute": 1, "limits": {"a": {"minute": 1}}, "redis": {"port": 1, "timeout": 1}}

    with pytest.raises(ConfigError) as caught:
        make_handler(module, config)

    assert (caught.value.field, caught.value.message) == ("redis.host", "required field missing")
