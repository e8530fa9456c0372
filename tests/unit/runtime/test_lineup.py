"""A lineup by itself, with names that a test answers by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from dbless_gateway.balancing.plan import run
from dbless_gateway.runtime.dns_answer import Answer, Record
from dbless_gateway.runtime.lineup import Lineup, Setup, TargetSpec
from dbless_gateway.runtime.peer import Peer, PeerId


class Name:
    """A watched name, answered by hand."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.answer: Answer | None = None
        self.is_closed = False
        self._changed = changed

    def say(self, *records: Record, error: str | None = None) -> None:
        """Let the name have another answer."""
        self.answer = Answer("A", records, 60, error)
        self._changed()

    def close(self) -> None:
        """Note that nobody listens any more."""
        self.is_closed = True


class Names(dict[str, Name]):
    """The names that are watched."""

    def watch(self, name: str, changed: Callable[[], None]) -> Name:
        """Begin to watch."""
        self[name] = Name(changed)
        return self[name]


def lineup(*targets: tuple[str, int], use_srv_name: bool = False) -> tuple[Lineup, Names]:
    """Return a prepared lineup."""
    names = Names()
    peers: dict[PeerId, Peer] = {}
    specs = tuple(TargetSpec.parse(target, weight) for target, weight in targets)
    made = Lineup(
        Setup("round-robin", 1000, None, use_srv_name, specs),
        names,
        lambda peer_id: peers.setdefault(peer_id, Peer(peer_id)),
    )
    run(made.prepare_steps(None))
    return made, names


def seated(made: Lineup) -> list[tuple[str, int, int]]:
    """Return (ip, port, weight) of every seat."""
    return [(peer.ip, peer.port, peer.weight) for peer in made.peers]


def a(ip: str) -> Record:
    """Return an address of a name."""
    return Record(ip, "a.test", 0, None)


async def turns(count: int = 3) -> None:
    """Let the loop run."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_preparing_assigns_nothing() -> None:
    made, _ = lineup(("10.0.0.1:80", 5))
    assert [peer.seat for peer in made.peers] == [-1]
    told: list[None] = []
    made.install(lambda: told.append(None))
    assert [peer.seat for peer in made.peers] == [0]
    assert seated(made) == [("10.0.0.1", 80, 5)]
    assert told == [None]


def test_answers_that_come_together_make_one_plan() -> None:
    async def scenario() -> None:
        made, names = lineup(("a.test:80", 5), ("b.test:81", 5))
        told: list[None] = []
        made.install(lambda: told.append(None))
        assert made.is_pending
        names["a.test"].say(a("10.0.0.1"), a("10.0.0.1"))
        names["b.test"].say(a("10.0.0.2"))
        await turns()
        assert seated(made) == [("10.0.0.1", 80, 5), ("10.0.0.2", 81, 5)]
        assert len(told) == 2
        assert not made.is_pending

    asyncio.run(scenario())


def test_an_answer_before_installing_is_used() -> None:
    async def scenario() -> None:
        made, names = lineup(("a.test:80", 5))
        names["a.test"].say(a("10.0.0.1"))
        await turns()
        made.install(lambda: None)
        assert seated(made) == [("10.0.0.1", 80, 5)]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("weight", "use_srv_name", "expected", "hosts"),
    [
        (100, False, [("10.0.0.1", 81, 7), ("10.0.0.2", 80, 1)], {"a.test"}),
        (100, True, [("10.0.0.1", 81, 7), ("10.0.0.2", 80, 1)], {"one.test", "two.test"}),
        (0, False, [], {"a.test"}),
    ],
)
def test_srv(weight: int, use_srv_name: bool, expected: list[tuple[str, int, int]], hosts: set[str]) -> None:
    async def scenario() -> None:
        made, names = lineup(("a.test:80", weight), use_srv_name=use_srv_name)
        made.install(lambda: None)
        names["a.test"].say(Record("10.0.0.1", "one.test", 81, 7), Record("10.0.0.2", "two.test", 0, 1))
        await turns()
        assert sorted(seated(made)) == expected
        assert {place.peer.host for place in made.members[0].placements} == hosts

    asyncio.run(scenario())


def test_a_closed_lineup_hears_nothing() -> None:
    async def scenario() -> None:
        made, names = lineup(("a.test:80", 5))
        made.install(lambda: None)
        names["a.test"].say(a("10.0.0.1"))
        made.close()
        await turns()
        assert seated(made) == []
        assert names["a.test"].is_closed

    asyncio.run(scenario())


def test_a_target_needs_a_port() -> None:
    with pytest.raises(ValueError, match="without port"):
        TargetSpec.parse("a.test", 1)
