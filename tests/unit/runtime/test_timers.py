"""Timers run while their plugin is configured, keep their rhythm over reloads, and stop with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from dbless_gateway.runtime.timers import Timers
from dbless_gateway.snapshot.plugin_timer import PluginTimer

PERIOD_S = 0.01
LOG = logging.getLogger("tests.timer")


def timer(run: Callable[[], Any], plugin_id: str = "a", period_s: float = PERIOD_S) -> PluginTimer:
    return PluginTimer(plugin_id, period_s, run, LOG)


def test_runs_again_and_again_until_it_is_dropped() -> None:
    async def scenario() -> None:
        timers, ran = Timers(), asyncio.Semaphore(0)
        timers.adopt([timer(ran.release)])
        for _ in range(3):
            await ran.acquire()
        timers.stop()
        assert len(timers) == 0
        assert ran.locked()

    asyncio.run(scenario())


def test_reload_keeps_the_rhythm_with_the_new_handler() -> None:
    async def scenario() -> None:
        timers, new = Timers(), asyncio.Event()
        timers.adopt([timer(lambda: pytest.fail("the old one ran"))])
        timers.adopt([timer(new.set)])
        await new.wait()
        timers.adopt([timer(lambda: pytest.fail("the period is another"), period_s=3600)])
        new.clear()
        timers.adopt([timer(new.set)])
        await new.wait()
        timers.stop()

    asyncio.run(scenario())


def test_a_long_run_is_not_overtaken_and_ends_with_its_plugin() -> None:
    async def scenario() -> None:
        timers, started, cancelled = Timers(), asyncio.Semaphore(0), asyncio.Event()

        async def long_run() -> None:
            started.release()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        other = asyncio.Semaphore(0)
        timers.adopt([timer(long_run), timer(other.release, "b")])
        await started.acquire()
        for _ in range(3):
            await other.acquire()
        assert started.locked()
        timers.stop()
        await cancelled.wait()

    asyncio.run(scenario())


def test_errors_are_logged_and_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        timers, ran = Timers(), asyncio.Semaphore(0)

        def at_once() -> None:
            ran.release()
            raise RuntimeError("at once")

        async def later() -> None:
            ran.release()
            raise RuntimeError("later")

        for run in (at_once, later):
            timers.adopt([timer(run)])
            await ran.acquire()
            await ran.acquire()
        timers.stop()

    asyncio.run(scenario())
    told = {str(record.exc_info[1]) for record in caplog.records if record.exc_info}
    assert {"at once", "later"} <= told
