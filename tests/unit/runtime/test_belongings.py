"""Queues and resources of plugins: who keeps them over a reload, and when they are put away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from dbless_gateway.runtime.belongings import Belongings
from dbless_gateway.runtime.queues import Queues
from dbless_gateway.snapshot.loans import Loan
from tests.support.plugin_context import FakeHost

LOG = logging.getLogger("tests.belongings")


class Thing:
    """A resource that notes in which order it and others were closed."""

    def __init__(self, name: str, closed: list[str]) -> None:
        self._name = name
        self._closed = closed

    def close(self) -> None:
        self._closed.append(self._name)


class SlowThing(Thing):
    async def close(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().close()


class Lender(FakeHost):
    """A host with belongings, as a worker has them."""

    def __init__(self) -> None:
        super().__init__()
        self.closed: list[str] = []
        self.belongings = Belongings(Queues(LOG), LOG)
        self.resource = self.belongings.resource  # type: ignore[method-assign]
        self.queue = self.belongings.queue  # type: ignore[assignment]

    def serve(self, **configs: Any) -> dict[str, Loan]:
        """Move to a configuration of these plugins; return their loans."""
        loans = {plugin_id: Loan(self, config) for plugin_id, config in configs.items()}
        self.belongings.adopt(loans)
        self.belongings.sweep()
        return loans

    def thing(self, name: str, kind: type[Thing] = Thing) -> Callable[[], Thing]:
        return lambda: kind(name, self.closed)


def run(scenario: Callable[[Lender], Coroutine[Any, Any, None]]) -> None:
    async def start() -> None:
        await scenario(Lender())

    asyncio.run(start())


async def settle() -> None:
    """Let everything that is put away be put away."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


@pytest.mark.parametrize(
    ("after", "closed"),
    [
        ({"a": 1}, []),
        ({"a": 1, "b": 1}, []),
        ({"a": 2}, ["x"]),
        ({"b": 1}, ["x"]),
        ({}, ["x"]),
    ],
    ids=["the same", "one more", "another configuration", "another plugin", "none"],
)
def test_who_keeps_a_resource(after: dict[str, int], closed: list[str]) -> None:
    async def scenario(host: Lender) -> None:
        host.serve(a=1)["a"].resource("x", host.thing("x"))
        host.serve(**after)
        await settle()
        assert host.closed == closed
        # It goes on to be kept by a plugin that has no request for the next reload, either.
        host.serve(**after)
        await settle()
        assert host.closed == closed

    run(scenario)


def test_shared_resource_is_kept_for_the_other() -> None:
    async def scenario(host: Lender) -> None:
        for loan in host.serve(a=1, b=2).values():
            first = loan.resource("x", host.thing("x"))
        loan = host.serve(b=2)["b"]
        await settle()
        assert loan.resource("x", host.thing("never made")) is first
        assert host.closed == []

    run(scenario)


def test_changed_plugin_keeps_what_it_asks_for_again() -> None:
    async def scenario(host: Lender) -> None:
        first = host.serve(a=1)["a"].resource("x", host.thing("x"))
        loans = {"a": Loan(host, 2)}
        host.belongings.adopt(loans)
        assert loans["a"].resource("x", host.thing("never made")) is first
        host.belongings.sweep()
        await settle()
        assert (host.closed, len(host.belongings)) == ([], 1)

    run(scenario)


def test_swaps_before_a_sweep_are_followed_one_by_one() -> None:
    async def scenario(host: Lender) -> None:
        host.serve(a=1)["a"].resource("x", host.thing("x"))
        for _ in range(3):
            host.belongings.adopt({"a": Loan(host, 1)})
        host.belongings.sweep()
        await settle()
        assert host.closed == []

    run(scenario)


def test_what_uses_another_is_closed_first_and_may_wait() -> None:
    async def scenario(host: Lender) -> None:
        loan = host.serve(a=1)["a"]
        loan.resource("first", host.thing("first"))
        loan.resource("second", host.thing("second", SlowThing))
        loan.resource("a plain value", lambda: object())
        host.serve()
        await settle()
        assert (host.closed, len(host.belongings)) == (["second", "first"], 0)

    run(scenario)


def test_resource_that_cannot_be_closed_is_told_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Thing):
        def close(self) -> None:
            raise OSError("stuck")

    async def scenario(host: Lender) -> None:
        loan = host.serve(a=1)["a"]
        loan.resource("good", host.thing("good"))
        loan.resource("redis:secret", host.thing("", Broken))
        host.serve()
        await settle()
        assert host.closed == ["good"]

    run(scenario)
    assert "kind redis could not be closed" in caplog.text
    assert "secret" not in caplog.text


def test_exchange_on_the_old_configuration_makes_it_anew_until_the_next_reload() -> None:
    async def scenario(host: Lender) -> None:
        old = host.serve(a=1)["a"]
        first = old.resource("x", host.thing("x"))
        host.serve()
        await settle()
        assert old.resource("x", host.thing("late")) is not first
        host.serve()
        await settle()
        assert host.closed == ["x", "late"]

    run(scenario)


def test_removed_plugins_queue_is_sent_before_what_it_sends_on_is_closed() -> None:
    async def scenario(host: Lender) -> None:
        sent: list[tuple[Any, bool]] = []
        is_up = False
        loan = host.serve(a=1)["a"]

        async def send(entries: Sequence[Any]) -> None:
            loan.resource("x", host.thing("x"))
            if not is_up:
                raise ConnectionError("not yet")
            sent.extend((entry, bool(host.closed)) for entry in entries)

        queue = loan.queue("q", {"max_batch_size": 5, "max_coalescing_delay": 3600}, send)
        queue.put("one")
        queue.put("two")
        await asyncio.sleep(0)
        host.serve()
        await asyncio.sleep(0.02)  # It is tried again, as always.
        host.serve()  # Nothing is taken from it meanwhile.
        is_up = True
        await settle()
        assert sent == [("one", False), ("two", False)]
        assert host.closed == ["x"]

    run(scenario)


def test_the_end_sends_what_waits_and_closes_everything() -> None:
    async def scenario(host: Lender) -> None:
        sent: list[Any] = []

        async def send(entries: Sequence[Any]) -> None:
            sent.extend(entries)

        loan = host.serve(a=1)["a"]
        loan.queue("q", {"max_coalescing_delay": 3600, "max_batch_size": 9}, send).put("kept")
        host.serve(a=1)
        loan.resource("x", host.thing("x", SlowThing))
        await host.belongings.close(5)
        assert (sent, host.closed) == (["kept"], ["x"])

    run(scenario)


def test_the_end_does_not_wait_for_what_hangs() -> None:
    class Hanging(Thing):
        async def close(self) -> None:  # type: ignore[override]
            await asyncio.Event().wait()

    async def scenario(host: Lender) -> None:
        host.serve(a=1)["a"].resource("x", host.thing("x", Hanging))
        await host.belongings.close(0.01)

    run(scenario)
