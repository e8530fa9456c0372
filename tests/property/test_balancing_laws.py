"""Laws of balancing: what moves when seats come and go, and what holds after any sequence of events."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.balancing import ALGORITHMS
from dbless_gateway.balancing.consistent_hashing import ConsistentHashing
from dbless_gateway.balancing.plan import Roster, Seat, run

KEYS = [f"key {number}".encode() for number in range(400)]


def seats(numbers: Sequence[int], weight: int = 100) -> list[Seat]:
    """Return seats on numbered addresses."""
    return [Seat(f"10.0.0.{number}", 80, f"10.0.0.{number}", 80, weight) for number in numbers]


def owners(roster: Roster) -> dict[bytes, str]:
    """Return which address each key goes to on a fresh ring."""
    picker = run(ConsistentHashing.build(roster, 65536, None))
    return {key: roster.seats[picker.pick(key, ())].ip for key in KEYS}


@given(st.sets(st.integers(1, 250), min_size=2, max_size=12), st.data())
@settings(max_examples=30, deadline=None)
def test_an_unavailable_seat_moves_its_own_keys_and_no_others(numbers: set[int], data: st.DataObject) -> None:
    roster = Roster.of(seats(sorted(numbers)))
    before = owners(roster)
    down = data.draw(st.integers(0, len(roster.seats) - 1))
    roster.available[down] = 0
    after = owners(roster)
    assert {before[key] for key in KEYS if before[key] != after[key]} <= {roster.seats[down].ip}
    assert roster.seats[down].ip not in after.values()


@given(st.sets(st.integers(1, 250), min_size=2, max_size=12), st.data())
@settings(max_examples=30, deadline=None)
def test_a_removed_seat_moves_hardly_any_other_keys(numbers: set[int], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(numbers)))
    before = owners(Roster.of(seats(sorted(numbers))))
    after = owners(Roster.of(seats(sorted(numbers - {gone}))))
    others = [key for key in KEYS if before[key] != after[key] and before[key] != f"10.0.0.{gone}"]
    # Only a position that two seats hash to can change hands: 160 out of 65,536 per seat.
    assert len(others) <= len(KEYS) * 0.03


EVENTS = st.lists(
    st.tuples(st.sampled_from(["request", "end", "fail", "toggle"]), st.integers(0, 7), st.floats(0.0001, 3)),
    max_size=80,
)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@given(weights=st.lists(st.integers(1, 500), min_size=1, max_size=8), events=EVENTS)
@settings(max_examples=60, deadline=None)
def test_after_any_events_a_pick_is_available_or_nothing_is(
    algorithm: str, weights: list[int], events: list[tuple[str, int, float]]
) -> None:
    roster = Roster.of([Seat(f"s{n}", 80, f"10.0.0.{n}", 80, weight) for n, weight in enumerate(weights)])
    picker = run(ALGORITHMS[algorithm](roster, 1000, None))
    under_way: list[int] = []
    now_s = 0.0
    for kind, number, amount in events:
        now_s += amount
        if kind == "toggle":
            roster.available[number % len(weights)] ^= 1
            picker.refresh()
        elif kind == "request":
            seat = picker.pick(KEYS[number], ())
            assert roster.available[seat] if seat >= 0 else not any(roster.available)
            if seat >= 0:
                roster.loads[seat].in_flight += 1
                picker.began(seat)
                under_way.append(seat)
        elif under_way:
            seat = under_way.pop(number % len(under_way))
            roster.loads[seat].in_flight -= 1
            picker.ended(seat, amount if kind == "end" else None, now_s)
