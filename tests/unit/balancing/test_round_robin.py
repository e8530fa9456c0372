"""round-robin: exact over a turn, and smooth within it."""

from __future__ import annotations

from collections import Counter
from math import gcd

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.balancing.plan import Roster, Seat, run
from dbless_gateway.balancing.round_robin import RoundRobin


def start(*weights: int) -> tuple[RoundRobin, Roster]:
    """Return a picker over seats named a, b, c, ..."""
    roster = Roster.of(
        [Seat(chr(97 + number), 80, "ip", 80, weight) for number, weight in enumerate(weights)]
    )
    picker = run(RoundRobin.build(roster, 10, None))
    assert isinstance(picker, RoundRobin)
    return picker, roster


@pytest.mark.parametrize(
    ("weights", "turn"),
    [((1,), "aa"), ((100, 100), "baba"), ((5, 1, 1), "aabacaa"), ((1, 1, 1), "cbacba"), ((20, 10), "baabaa")],
)
def test_turns(weights: tuple[int, ...], turn: str) -> None:
    picker, _ = start(*weights)
    assert turn == "".join(chr(97 + picker.pick(b"", ())) for _ in turn)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=9))
@settings(deadline=None)
def test_every_turn_is_exactly_proportional(weights: list[int]) -> None:
    picker, _ = start(*weights)
    divisor = gcd(*weights)
    for _ in range(2):
        turn = Counter(picker.pick(b"", ()) for _ in range(sum(weights) // divisor))
        assert turn == {seat: weight // divisor for seat, weight in enumerate(weights)}


@given(st.lists(st.integers(1, 65535), min_size=2, max_size=9))
@settings(deadline=None)
def test_shares_are_spread_evenly_over_the_turn(weights: list[int]) -> None:
    picker, _ = start(*weights)
    counts: Counter[int] = Counter()
    for picks in range(1, 201):
        counts[picker.pick(b"", ())] += 1
        for seat, weight in enumerate(weights):
            # Never more than a few requests away from the exact share, at any moment.
            assert abs(counts[seat] - picks * weight / sum(weights)) <= 8


def test_a_turn_over_the_rest_is_exact_when_a_seat_is_down() -> None:
    picker, roster = start(3, 2, 5)
    roster.available[2] = 0
    picker.refresh()
    assert Counter(picker.pick(b"", ()) for _ in range(5)) == {0: 3, 1: 2}


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (6, 1, 1, 1), (2, 3, 3, 3)])
def test_the_share_of_a_seat_that_fails_goes_to_the_others_evenly(weights: tuple[int, ...]) -> None:
    picker, _ = start(*weights)
    served: Counter[int] = Counter()
    for _ in range(600):
        seat = picker.pick(b"", ())
        served[seat or picker.pick(b"", (0,))] += 1
    assert set(served) == {1, 2, 3}
    assert max(served.values()) < 1.5 * min(served.values())


def test_the_pointer_survives_a_change() -> None:
    picker, roster = start(1, 1, 1, 1, 1)
    picker.pick(b"", ())
    successor = run(RoundRobin.build(roster, 10, picker))
    expected, _ = start(1, 1, 1, 1, 1)
    expected.pick(b"", ())
    assert expected.pick(b"", ()) == successor.pick(b"", ())
