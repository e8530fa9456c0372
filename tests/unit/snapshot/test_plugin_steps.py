"""What stands around steps: latency of plugins from elsewhere, and errors that are passed over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

import pytest

from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.testing import FakeContext, FakeHost
from dbless_gateway.snapshot.plugin_steps import forgiven, measured

LOG = logging.getLogger("tests.plugin")


class Good:
    needs_request_body = True

    def access(self, ctx: Any) -> Reply:
        return Reply(403)

    async def rewrite(self, ctx: Any) -> Reply:
        await asyncio.sleep(0)
        return Reply(401)

    def body_filter(self, ctx: Any, chunk: bytes, last: bool) -> bytes:
        return chunk.upper()


class Bad:
    def access(self, ctx: Any) -> None:
        raise RuntimeError("at once")

    async def rewrite(self, ctx: Any) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("later")

    def body_filter(self, ctx: Any, chunk: bytes, last: bool) -> bytes:
        raise RuntimeError("chunk")


async def result_of(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


CTX = FakeContext()


@pytest.mark.parametrize("surround", [lambda h: measured(h, "p", FakeHost()), lambda h: forgiven(h, LOG)])
def test_what_goes_well_is_not_changed(surround: Any) -> None:
    handler = surround(Good())
    assert handler.access(CTX) == Reply(403)
    assert asyncio.run(result_of(handler.rewrite(CTX))) == Reply(401)
    assert handler.body_filter(CTX, b"a", True) == b"A"
    assert handler.needs_request_body is True
    assert not hasattr(handler, "log")
    assert getattr(handler, "changes_body", True) is True


def test_each_phase_is_measured_once_per_call() -> None:
    host = FakeHost()
    handler = measured(Good(), "say-hello", host)
    assert host.metrics.counts == {}
    handler.access(CTX)
    handler.access(CTX)
    pending = handler.rewrite(CTX)
    assert (
        "dbless_plugin_latency_us",
        (("plugin", "say-hello"), ("phase", "rewrite")),
    ) not in host.metrics.counts
    asyncio.run(result_of(pending))
    counts = {labels[1][1]: len(values) for (_, labels), values in host.metrics.counts.items()}
    assert counts == {"access": 2, "rewrite": 1}


def test_errors_are_logged_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    handler = forgiven(Bad(), LOG)
    assert handler.access(CTX) is None
    assert asyncio.run(result_of(handler.rewrite(CTX))) is None
    assert handler.body_filter(CTX, b"a", True) is None
    assert [record.message.split(";")[0] for record in caplog.records] == [
        "failed in its phase access",
        "failed in its phase rewrite",
        "failed in its phase body_filter",
    ]


def test_a_measured_error_stays_an_error() -> None:
    handler = measured(Bad(), "p", FakeHost())
    with pytest.raises(RuntimeError, match="at once"):
        handler.access(CTX)
    with pytest.raises(RuntimeError, match="later"):
        asyncio.run(result_of(handler.rewrite(CTX)))
