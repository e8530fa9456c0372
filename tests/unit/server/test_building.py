from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator
from itertools import pairwise
from typing import Any

import pytest
import uvloop

from dbless_gateway.server.building import BURST_S, Build, Drive
from dbless_gateway.server.engine import Steps


@pytest.fixture(autouse=True)
def _collector_as_before() -> Iterator[None]:
    yield
    assert gc.isenabled(), "the collector was left off"


class Collector:
    def __init__(self) -> None:
        self.added: list[bytes] = []

    def add(self, data: bytes) -> None:
        self.added.append(data)

    def entities(self) -> Any:
        return tuple(self.added)


def run(scenario: Callable[[asyncio.AbstractEventLoop], Awaitable[None]]) -> None:
    async def inner() -> None:
        await scenario(asyncio.get_running_loop())

    uvloop.run(inner())


def echo(entities: Any) -> Generator[None, None, Any]:
    yield
    yield
    return ["built", *entities]


@pytest.mark.parametrize("slices", [[], [b"a"], [b"a", b"b", b"c"]])
def test_a_build_ends_with_what_the_compiler_returned(slices: list[bytes]) -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        done: asyncio.Future[Any] = loop.create_future()
        build = Build(
            slices=len(slices), assembler=Collector(), build_steps=echo, on_done=done.set_result, loop=loop
        )
        assert not gc.isenabled()
        for data in slices:
            build.add(data)
        assert await done == ["built", *slices]

    run(scenario)


def test_slices_may_come_late() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        done: asyncio.Future[Any] = loop.create_future()
        build = Build(slices=2, assembler=Collector(), build_steps=echo, on_done=done.set_result, loop=loop)
        build.add(b"a")
        for _ in range(5):
            await asyncio.sleep(0)
        build.add(b"b")
        assert await done == ["built", b"a", b"b"]

    run(scenario)


def test_one_slice_in_each_turn_of_the_loop() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        collector = Collector()
        seen: list[int] = []
        done: asyncio.Future[Any] = loop.create_future()
        build = Build(slices=4, assembler=collector, build_steps=echo, on_done=done.set_result, loop=loop)
        for number in range(4):
            build.add(b"%d" % number)
        while not done.done():
            seen.append(len(collector.added))
            await asyncio.sleep(0)
        steps = [after - before for before, after in pairwise(seen)]
        assert max(steps) == 1

    run(scenario)


def test_the_loop_gets_a_turn_after_each_burst() -> None:
    def long_work() -> Generator[None, None, str]:
        for _ in range(4):
            ends = time.perf_counter() + BURST_S
            while time.perf_counter() < ends:
                pass
            yield
        return "done"

    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        done: asyncio.Future[str] = loop.create_future()
        Drive(long_work(), done.set_result, loop)
        turns = 0
        while not done.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns >= 4

    run(scenario)


def test_a_step_may_wait_for_something_outside_of_the_loop() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        outside, done = loop.create_future(), loop.create_future()

        def steps() -> Steps[str]:
            yield None
            yield outside
            yield None
            return "done"

        Drive(steps(), done.set_result, loop)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not done.done()
        outside.set_result(None)
        assert await done == "done"

    run(scenario)


def test_who_waits_outside_can_be_cancelled() -> None:
    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        outside: asyncio.Future[None] = loop.create_future()
        outcomes: list[str] = []

        def steps() -> Steps[str]:
            yield outside
            return "done"

        drive = Drive(steps(), outcomes.append, loop)
        await asyncio.sleep(0)
        drive.cancel()
        outside.set_result(None)
        for _ in range(3):
            await asyncio.sleep(0)
        assert outcomes == []

    run(scenario)


@pytest.mark.parametrize("turns", range(6))
def test_a_cancelled_build_says_nothing(turns: int) -> None:
    def endless(entities: Any) -> Generator[None, None, Any]:
        while True:
            time.sleep(BURST_S)
            yield

    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        outcomes: list[Any] = []
        build = Build(
            slices=2, assembler=Collector(), build_steps=endless, on_done=outcomes.append, loop=loop
        )
        build.add(b"a")
        build.add(b"b")
        for _ in range(turns):
            await asyncio.sleep(0)
        build.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        assert outcomes == []

    run(scenario)


def test_a_build_that_is_over_hangs_in_no_circle() -> None:
    """What is frozen after a swap is freed by its counts or never."""

    class Watched(Collector):
        pass

    async def scenario(loop: asyncio.AbstractEventLoop) -> None:
        done: asyncio.Future[Any] = loop.create_future()
        collector = Watched()
        build = Build(slices=1, assembler=collector, build_steps=echo, on_done=done.set_result, loop=loop)
        build.add(b"a")
        await done
        await asyncio.sleep(0)
        watched = weakref.ref(collector), weakref.ref(build)
        gc.disable()
        del collector, build
        try:
            assert [found() for found in watched] == [None, None]
        finally:
            gc.enable()

    run(scenario)
