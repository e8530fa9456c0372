"""A wall clock that goes back, as after a wrong start or a restored machine: nobody gains, nothing breaks.

What one module can say of it is in that module: windows in ``test_rate_limiting.py``, keys of an issuer in
``test_jwt_issuer.py``.
"""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.plugins import proxy_cache, rate_limiting, response_ratelimiting, session
from tests.support.plugin_context import (
    FakeContext,
    FakeHost,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
)

AN_HOUR_S = 3600
LIMITS: dict[str, Any] = {
    "limit_by": "ip",
    "policy": "local",
    "fault_tolerant": True,
    "hide_client_headers": False,
}


@pytest.mark.parametrize("window", ["fixed", "sliding"])
def test_rate_limit_of_a_window_that_comes_again(window: str) -> None:
    host = FakeHost()
    config = LIMITS | {"hour": 1, "window": window, "error_code": 429, "error_message": "no", "sync_rate": -1}
    handler = make_handler(rate_limiting, config, make_env(host))
    statuses = []
    for step_s in (0, -AN_HOUR_S, AN_HOUR_S, 1):
        host.clock += step_s
        ctx = FakeContext()
        reply = handler.access(ctx)
        statuses.append(reply.status if reply else 0)
        assert int(ctx.response_headers["RateLimit-Reset"]) >= 1
        assert int(ctx.response_headers["RateLimit-Remaining"]) >= 0

    assert statuses[0] == 0
    assert statuses[2:] == [429, 429], "the count of the hour is still there"


def test_limit_of_responses() -> None:
    host = FakeHost()
    config = LIMITS | {
        "header_name": "x-kong-limit",
        "block_on_first_violation": True,
        "limits": {"video": {"hour": 1}},
    }
    handler = make_handler(response_ratelimiting, config, make_env(host))
    statuses = []
    for step_s in (0, -AN_HOUR_S, AN_HOUR_S):
        host.clock += step_s
        ctx = FakeContext()
        reply = handler.access(ctx)
        statuses.append(reply.status if reply else 0)
        if reply is None:
            ctx.respond(200, [("x-kong-limit", "video=1")])
            handler.header_filter(ctx)
            handler.log(ctx)

    assert statuses == [0, 0, 429]


def test_cached_response_is_not_of_the_future() -> None:
    host = FakeHost()
    config = {
        "response_code": [200],
        "request_method": ["GET"],
        "content_type": ["text/plain"],
        "cache_ttl": 30,
        "strategy": "memory",
        "cache_control": False,
        "response_headers": {"age": True, "X-Cache-Status": True, "X-Cache-Key": True},
    }
    handler = make_handler(proxy_cache, config, make_env(host))
    first = FakeContext()
    handler.access(first)
    first.respond(200, [("Content-Type", "text/plain")])
    handler.header_filter(first)
    handler.body_filter(first, b"x", True)
    host.clock -= AN_HOUR_S

    second = FakeContext()
    reply = handler.access(second)

    assert reply is not None
    second.respond_with(reply)
    handler.header_filter(second)
    assert second.response.headers.get("age") == "0"


def test_session_of_the_future() -> None:
    host = FakeHost()
    alice = make_consumer("c1", "alice")
    config = {"secret": "s", "storage": "cookie", "audience": "default", "rolling_timeout": 3600}
    config |= {"idling_timeout": 900, "absolute_timeout": 86400, "cookie_name": "session", "stale_ttl": 10}
    handler = make_handler(session, config, make_env(host, consumers=[alice]))
    login = FakeContext()
    handler.access(login)
    login.authenticate(alice, make_credential("k1", "keyauth_credentials", "c1", key="k"))
    login.respond()
    handler.header_filter(login)
    cookie = (login.response.headers.get("Set-Cookie") or "").partition(";")[0]
    host.clock -= AN_HOUR_S

    later = FakeContext(headers=[("Cookie", cookie)])
    assert handler.access(later) is None
    assert later.consumer == alice
