"""The suite that every algorithm passes; what is particular to one stands in that one's own tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.balancing import ALGORITHMS
from dbless_gateway.balancing.plan import Picker, Roster, Seat, run

every_algorithm = pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))

SLOTS = 10000
PICKS = 4000


def seats(weights: Sequence[int]) -> list[Seat]:
    """Return one seat per weight, on addresses of their own."""
    addresses = [f"10.0.{number // 250}.{number % 250}" for number in range(len(weights))]
    return [Seat(ip, 80, ip, 80, weight) for ip, weight in zip(addresses, weights, strict=True)]


def build(algorithm: str, roster: Roster) -> Picker:
    """Return a fresh picker."""
    return run(ALGORITHMS[algorithm](roster, SLOTS, None))


def keys(count: int) -> list[bytes]:
    """Return different keys."""
    return [f"key {number}".encode() for number in range(count)]


def shares(picker: Picker, roster: Roster, picks: int = PICKS, open_requests: int = 64) -> list[float]:
    """Return the share of each seat under a constant number of open requests that all take equally long."""
    counts: Counter[int] = Counter()
    under_way: list[int] = []
    for now, key in enumerate(keys(picks)):
        seat = picker.pick(key, ())
        counts[seat] += 1
        roster.loads[seat].in_flight += 1
        picker.began(seat)
        under_way.append(seat)
        if len(under_way) >= open_requests:
            done = under_way.pop(0)
            roster.loads[done].in_flight -= 1
            picker.ended(done, 0.1, float(now))
    return [counts[seat] / picks for seat in range(len(roster.seats))]


@every_algorithm
def test_no_seats(algorithm: str) -> None:
    picker = build(algorithm, Roster.of(()))
    assert picker.pick(b"k", ()) == -1
    picker.refresh()
    assert picker.pick(b"k", (0,)) == -1


@every_algorithm
def test_no_available_seat(algorithm: str) -> None:
    roster = Roster.of(seats([1, 2]))
    picker = build(algorithm, roster)
    roster.available[:] = b"\0\0"
    picker.refresh()
    assert picker.pick(b"k", ()) == -1
    assert picker.pick(b"k", (1,)) == -1
    roster.available[1] = 1
    picker.refresh()
    assert picker.pick(b"k", ()) == 1


@every_algorithm
def test_seats_that_are_unavailable_from_the_start(algorithm: str) -> None:
    roster = Roster.of(seats([1, 1, 1]))
    roster.available[0] = roster.available[2] = 0
    picker = build(algorithm, roster)
    assert {picker.pick(key, ()) for key in keys(50)} == {1}


@every_algorithm
def test_equal_weights_share_equally(algorithm: str) -> None:
    roster = Roster.of(seats([100] * 4))
    for share in shares(build(algorithm, roster), roster):
        # A ring of 160 points per seat deviates by some percent; everything else hardly at all.
        assert share == pytest.approx(0.25, abs=0.06)


@every_algorithm
def test_an_unavailable_seat_gets_nothing_and_the_others_its_share(algorithm: str) -> None:
    roster = Roster.of(seats([100] * 4))
    picker = build(algorithm, roster)
    roster.available[2] = 0
    picker.refresh()
    found = shares(picker, roster)
    assert found[2] == 0
    assert all(share > 0.2 for seat, share in enumerate(found) if seat != 2)


@every_algorithm
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_tried_seats_are_avoided_while_there_are_others(algorithm: str, data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 1000), min_size=1, max_size=12))
    roster = Roster.of(seats(weights))
    picker = build(algorithm, roster)
    roster.available[:] = bytes(
        data.draw(st.lists(st.booleans(), min_size=len(weights), max_size=len(weights)))
    )
    picker.refresh()
    # -1 is a peer that has no seat any more.
    tried = data.draw(st.lists(st.integers(-1, len(weights) - 1), max_size=6))
    up = {seat for seat, is_up in enumerate(roster.available) if is_up}
    seat = picker.pick(b"k", tried)
    assert seat in ((up - set(tried)) or up or {-1})


@every_algorithm
@given(st.lists(st.integers(1, 300), min_size=1, max_size=8, unique=True), st.randoms())
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_configuration_does_not_matter(
    algorithm: str, weights: list[int], random: object
) -> None:
    shuffled = seats(weights)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Roster.of(seats(weights)), Roster.of(shuffled)
    assert one.seats == other.seats
    first, second = build(algorithm, one), build(algorithm, other)
    assert [first.pick(key, ()) for key in keys(50)] == [second.pick(key, ()) for key in keys(50)]


@every_algorithm
def test_a_picker_can_follow_any_other(algorithm: str) -> None:
    for predecessor in ALGORITHMS:
        roster = Roster.of(seats([2, 1]))
        picker = run(ALGORITHMS[algorithm](roster, SLOTS, build(predecessor, Roster.of(seats([1, 1, 5])))))
        assert {picker.pick(key, ()) for key in keys(200)} <= {0, 1}
