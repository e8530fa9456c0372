"""One in each turn of the loop, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dbless_gateway.runtime.turnstile import Turnstile


def play(scenario: Callable[[Turnstile], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            await scenario(Turnstile())

    asyncio.run(run())


def test_who_comes_alone_goes_on_at_once() -> None:
    async def scenario(turnstile: Turnstile) -> None:
        coming = turnstile.passed()
        try:
            coming.send(None)
        except StopIteration:
            return
        raise AssertionError("it had to wait")

    play(scenario)


def test_a_crowd_goes_on_one_by_one() -> None:
    async def scenario(turnstile: Turnstile) -> None:
        turn = 0
        went: list[tuple[int, int]] = []

        async def come(number: int) -> None:
            await turnstile.passed()
            went.append((number, turn))

        crowd = [asyncio.ensure_future(come(number)) for number in range(50)]
        while len(went) < 50:
            await asyncio.sleep(0)
            turn += 1
        assert [number for number, _ in went] == list(range(50))
        assert len({turn for _, turn in went}) == 50
        await asyncio.gather(*crowd)

    play(scenario)


def test_who_gives_up_is_passed_over() -> None:
    async def scenario(turnstile: Turnstile) -> None:
        crowd = [asyncio.ensure_future(turnstile.passed()) for _ in range(5)]
        await asyncio.sleep(0)
        for gives_up in crowd[1:4]:
            gives_up.cancel()
        done = await asyncio.gather(*crowd, return_exceptions=True)
        assert [isinstance(one, asyncio.CancelledError) for one in done] == [False, True, True, True, False]
        await turnstile.passed()

    play(scenario)
