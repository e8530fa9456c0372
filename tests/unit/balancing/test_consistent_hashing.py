"""consistent-hashing: Kong's positions, and minimal movement."""

from __future__ import annotations

from collections import Counter

import pytest
from xxhash import xxh32_intdigest

from dbless_gateway.balancing.consistent_hashing import ConsistentHashing, Ring, build_ring
from dbless_gateway.balancing.plan import Picker, Roster, Seat, run

KEYS = [f"user-{number}".encode() for number in range(5000)]


def seat(number: int, weight: int = 100) -> Seat:
    """Return a seat on an address of its own."""
    ip = f"10.1.{number // 250}.{number % 250}"
    return Seat(ip, 80, ip, 80, weight)


def start(*seats: Seat, slots: int = 10000) -> tuple[Picker, Roster]:
    """Return a picker."""
    roster = Roster.of(seats)
    return run(ConsistentHashing.build(roster, slots, None)), roster


def map_keys(picker: Picker, roster: Roster) -> dict[bytes, str]:
    """Return the address of every key."""
    return {key: roster.seats[picker.pick(key, ())].ip for key in KEYS}


def ring(*seats: Seat, slots: int = 10000) -> Ring:
    """Return the ring of some seats."""
    return run(build_ring(sorted(seats), slots))


def test_positions_are_kongs() -> None:
    built = ring(Seat("10.0.0.1", 80, "10.0.0.1", 80, 7))
    wanted: set[int] = set()
    attempt = 0
    while len(wanted) < 160:
        attempt += 1
        wanted.add(xxh32_intdigest(f"10.0.0.1::80 {attempt}".encode()) % 10000)
    assert list(built.positions) == sorted(wanted)


@pytest.mark.parametrize(
    ("slots", "count", "size"),
    [(10, 1, 1000), (999, 2, 1000), (1000, 4, 2000), (10000, 31, 10000), (10000, 1000, 320000)],
)
def test_size(slots: int, count: int, size: int) -> None:
    assert ring(*map(seat, range(count)), slots=slots).size == size


def test_points_by_weight_with_at_least_one() -> None:
    counts = Counter(ring(seat(0, 300), seat(1, 100), seat(2, 1)).owners)
    assert counts == {0: 359, 1: 119, 2: 1}


def test_a_key_goes_to_the_nearest_position_at_or_below_it_and_around() -> None:
    picker, roster = start(seat(0), seat(1), seat(2))
    built = ring(*roster.seats)
    owner_at = dict(zip(built.positions, built.owners, strict=True))
    for key in KEYS[:500]:
        position = xxh32_intdigest(key) % 10000
        while position not in owner_at:
            position = (position - 1) % 10000
        assert owner_at[position] == picker.pick(key, ())


def test_removing_one_of_n_moves_only_its_own_keys() -> None:
    full = map_keys(*start(*map(seat, range(10))))
    less = map_keys(*start(*map(seat, range(9))))
    moved = [key for key in KEYS if full[key] != less[key]]
    # Positions that the removed seat had taken from others by collision go back to them: a handful of keys.
    others = [key for key in moved if full[key] != seat(9).ip]
    assert len(moved) / len(KEYS) == pytest.approx(0.1, abs=0.04)
    assert len(others) / len(KEYS) < 0.01


def test_an_unavailable_seat_moves_only_its_own_keys_which_come_back() -> None:
    picker, roster = start(*map(seat, range(5)))
    before = map_keys(picker, roster)
    roster.available[3] = 0
    picker.refresh()
    during = map_keys(picker, roster)
    assert {before[key] for key in KEYS if before[key] != during[key]} == {roster.seats[3].ip}
    assert roster.seats[3].ip not in during.values()
    roster.available[3] = 1
    picker.refresh()
    assert map_keys(picker, roster) == before


@pytest.mark.parametrize("count", [2, 30, 300])
def test_keys_are_spread_evenly_however_many_seats(count: int) -> None:
    counts = Counter(map_keys(*start(*map(seat, range(count)))).values())
    assert len(counts) == count
    assert max(counts.values()) < 2.2 * len(KEYS) / count


def test_a_retry_goes_on_to_the_next_seat_of_the_ring() -> None:
    picker, roster = start(*map(seat, range(4)))
    first = picker.pick(b"k", ())
    second = picker.pick(b"k", (first,))
    roster.available[first] = 0
    picker.refresh()
    assert second == picker.pick(b"k", ())


def test_the_ring_is_kept_when_the_seats_are_the_same() -> None:
    picker, roster = start(seat(0), seat(1))
    assert isinstance(picker, ConsistentHashing)
    same = run(ConsistentHashing.build(Roster.of(roster.seats), 10000, picker))
    other = run(ConsistentHashing.build(Roster.of([seat(0)]), 10000, picker))
    assert isinstance(same, ConsistentHashing)
    assert isinstance(other, ConsistentHashing)
    assert same.ring is picker.ring
    assert other.ring is not picker.ring


def test_a_large_ring_is_built_in_slices() -> None:
    slices = sum(
        1 for _ in ConsistentHashing.build(Roster.of([seat(number) for number in range(200)]), 10000, None)
    )
    assert slices > 50
