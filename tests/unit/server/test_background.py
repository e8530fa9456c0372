"""A child process stands back behind everybody else, and its work is given up when it starves there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from dbless_gateway.server.background import Background, Starved, is_starving

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="a policy of Linux")

Child = asyncio.subprocess.Process


def play(scenario: Callable[[Child], Awaitable[None]]) -> None:
    """Run a scenario with a process that does nothing until its input ends."""

    async def run() -> None:
        # Not Python, whose start alone takes its time in the background of a busy machine.
        child = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(60):
                await scenario(child)
        finally:
            if child.returncode is None:
                child.kill()
            await child.wait()

    asyncio.run(run())


def test_it_stands_back() -> None:
    async def scenario(child: Child) -> None:
        before = os.sched_getscheduler(child.pid)
        Background(child.pid)
        assert (before, os.sched_getscheduler(child.pid)) == (os.SCHED_OTHER, os.SCHED_IDLE)

    play(scenario)


@pytest.mark.parametrize(
    ("waited_s", "ran_s", "starves"),
    [
        pytest.param(0.4, 0.0, False, id="nothing yet"),
        pytest.param(0.6, 0.0, True, id="nothing for too long"),
        pytest.param(4.9, 1.5, False, id="a quarter of a core and a little patience"),
        pytest.param(9.0, 2.0, True, id="less than a fifth of a core"),
        pytest.param(18.0, 6.0, False, id="a quarter of a core"),
        pytest.param(21.0, 40.0, True, id="far too long altogether"),
    ],
)
def test_who_starves(waited_s: float, ran_s: float, starves: bool) -> None:
    assert is_starving(waited_s, ran_s) is starves


def test_the_work_of_one_that_starves_is_given_up() -> None:
    async def scenario(child: Child) -> None:
        work = asyncio.ensure_future(child.wait())
        with pytest.raises(Starved):
            await Background(child.pid, patience_s=0.01).finish(work)
        assert work.cancelled()
        assert child.returncode is None, "ending it is up to whoever started it"

    play(scenario)


def test_what_comes_of_the_work_is_passed_on() -> None:
    async def scenario(child: Child) -> None:
        assert child.stdin is not None
        background = Background(child.pid, patience_s=60.0)
        child.stdin.close()
        assert await background.finish(child.wait()) == 0

    play(scenario)


def test_an_error_of_the_work_is_passed_on() -> None:
    async def fail() -> None:
        raise ValueError("of the work")

    async def scenario(child: Child) -> None:
        with pytest.raises(ValueError, match="of the work"):
            await Background(child.pid).finish(fail())

    play(scenario)


def test_who_gives_up_waiting_ends_the_work() -> None:
    async def scenario(child: Child) -> None:
        work = asyncio.ensure_future(child.wait())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await Background(child.pid).finish(work)
        assert work.cancelled()

    play(scenario)


def test_without_the_policy_it_only_gets_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "SCHED_IDLE")

    async def scenario(child: Child) -> None:
        assert child.stdin is not None
        background = Background(child.pid, patience_s=0.0)
        assert os.sched_getscheduler(child.pid) == os.SCHED_OTHER
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == 10
        child.stdin.close()
        assert await background.finish(child.wait()) == 0, "it cannot starve"

    play(scenario)
