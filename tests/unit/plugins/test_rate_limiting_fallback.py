"""rate-limiting with ``fallback: local`` while a real Redis goes and comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import rate_limiting
from tests.support.plugin_context import FakeContext, FakeHost, make_env, make_handler
from tests.support.redis_server import free_port, running_redis

DEFAULTS: dict[str, Any] = {
    "fallback": "local",
    "limit_by": "ip",
    "policy": "redis",
    "fault_tolerant": False,
    "hide_client_headers": False,
    "error_code": 429,
    "error_message": "API rate limit exceeded",
    "sync_rate": -1,
    "minute": 2,
}


async def ask(handler: Any) -> tuple[bool, int]:
    """Return whether Redis was asked, and the status."""
    outcome = handler.access(FakeContext())
    if hasattr(outcome, "__await__"):
        reply = await outcome
        return True, reply.status if reply else 0
    return False, outcome.status if outcome else 0


@pytest.mark.parametrize("window", ["fixed", "sliding"])
def test_this_node_counts_alone_until_redis_is_back(window: str) -> None:
    host, port = FakeHost(), free_port()
    redis = {"host": "127.0.0.1", "port": port, "timeout": 5000, "database": 0}
    handler = make_handler(rate_limiting, DEFAULTS | {"window": window, "redis": redis}, make_env(host))

    async def scenario() -> None:
        assert await ask(handler) == (True, 0)
        # For a second nobody finds out again that it is away, and nobody waits.
        assert await ask(handler) == (False, 0)
        assert await ask(handler) == (False, 429)
        host.clock += rate_limiting.ASK_AGAIN_S
        assert await ask(handler) == (True, 429)
        with running_redis(port):
            assert await ask(handler) == (False, 429)
            host.clock += rate_limiting.ASK_AGAIN_S
            assert [await ask(handler) for _ in range(3)] == [(True, 0), (True, 0), (True, 429)]
        for store in host.resources.values():
            await store.close()

    asyncio.run(scenario())


def test_without_redis_there_is_nothing_to_fall_back_from() -> None:
    with pytest.raises(ConfigError, match="fallback can only be used with the redis policy"):
        make_handler(rate_limiting, DEFAULTS | {"policy": "local", "redis": {}})
