"""consistent-hashing: the same key goes to the same seat; a changed seat moves only its own keys.

A ring in the manner of Ketama with Kong's numbers: ``slots`` positions (at least 1000); every seat is put at
about 160 of them, at ``xxh32("<ip>::<port> <i>") mod size`` for i = 1, 2, ...; a position already taken earns
one more attempt. A key starts at ``xxh32(key) mod size`` and goes to the nearest taken position at or below
it, wrapping around.

Unavailable seats keep their positions: their keys go to the next seat below and return when they recover.
Differences from Kong: a ring that would be more than half full is enlarged by a whole factor (160 positions
of 1,000 targets do not fit into 10,000: the seats last in order would get no keys at all), and a retry goes
on to the next seat.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from xxhash import xxh32_intdigest

from dbless_gateway.balancing.plan import Picker, Roster, Seat

POSITIONS_PER_SEAT = 160
_SIZE_MIN = 1000
# Seats or buckets handled between two yields: each is 0.1 ms or less.
_SEATS_PER_SLICE = 4
_POSITIONS_PER_BUCKET = 512


@dataclass(frozen=True, slots=True)
class Ring:
    """Taken positions in ascending order, and the seat at each of them."""

    size: int
    positions: array[int]
    owners: array[int]


class ConsistentHashing:
    """See the module."""

    __slots__ = ("_any_available", "_available", "_owners", "_positions", "_roster", "_size", "ring")

    wants_loads = False

    def __init__(self, roster: Roster, ring: Ring) -> None:
        self.ring = ring
        self._roster = roster
        self._available = roster.available
        self._size = ring.size
        self._positions = ring.positions
        self._owners = ring.owners
        self.refresh()

    @classmethod
    def build(cls, roster: Roster, slots: int, previous: Picker | None) -> Generator[None, None, Picker]:
        """Take over the ring of ``previous`` when the seats are the same; place every seat otherwise."""
        if isinstance(previous, ConsistentHashing) and previous._fits(roster, slots):
            return cls(roster, previous.ring)
        ring = yield from build_ring(roster.seats, slots)
        return cls(roster, ring)

    def _fits(self, roster: Roster, slots: int) -> bool:
        return self._roster.seats == roster.seats and self._size == _ring_size(_shares(roster.seats), slots)

    def pick(self, key: bytes, tried: Sequence[int]) -> int:
        """Return the seat of ``key``."""
        # Index -1 is the last position: that is the wrap-around.
        point = bisect_right(self._positions, xxh32_intdigest(key) % self._size) - 1
        if point < -1 or not self._any_available:
            return -1
        seat = self._owners[point]
        if self._available[seat] and seat not in tried:
            return seat
        return self._walk(point, tried)

    def _walk(self, point: int, tried: Sequence[int]) -> int:
        candidates = set(self._roster.untried(tried)) if tried else None
        owners, available = self._owners, self._available
        for offset in range(len(owners)):
            seat = owners[point - offset]
            if seat in candidates if candidates is not None else available[seat]:
                return seat
        return -1

    def refresh(self) -> None:
        """Remember whether a walk can succeed at all."""
        self._any_available = any(self._available)

    def began(self, seat: int) -> None:
        """Nothing to learn."""

    def ended(self, seat: int, rtt_s: float | None, now_s: float) -> None:
        """Nothing to learn."""


def build_ring(seats: Sequence[Seat], slots: int) -> Generator[None, None, Ring]:
    """Place the seats, in slices."""
    shares = _shares(seats)
    size = _ring_size(shares, slots)
    taken = bytearray(size)
    # One bucket per stretch of the ring: sorting them one by one never blocks for long. A point is one
    # integer.
    bucket_count = sum(shares) // _POSITIONS_PER_BUCKET + 1
    buckets: list[list[int]] = [[] for _ in range(bucket_count)]
    width = -(-size // bucket_count)
    for seat, share in enumerate(shares):
        for position in _place(seats[seat], share, taken):
            buckets[position // width].append(position * len(seats) + seat)
        if seat % _SEATS_PER_SLICE == _SEATS_PER_SLICE - 1:
            yield
    positions, owners = array("I"), array("I")
    for bucket in buckets:
        bucket.sort()
        positions.extend(point // len(seats) for point in bucket)
        owners.extend(point % len(seats) for point in bucket)
        yield
    return Ring(size, positions, owners)


def _place(seat: Seat, share: int, taken: bytearray) -> list[int]:
    """Take up to ``share`` free positions for a seat."""
    size = len(taken)
    prefix = f"{seat.ip}::{seat.port} ".encode()
    places: list[int] = []
    # The ring is at most half full, so twice the attempts are plenty; the bound keeps any input finite.
    for attempt in range(1, 2 * share + 2):
        position = xxh32_intdigest(b"%b%d" % (prefix, attempt)) % size
        if not taken[position]:
            taken[position] = 1
            places.append(position)
            if len(places) == share:
                break
    return places


def _shares(seats: Sequence[Seat]) -> list[int]:
    """Return how many positions each seat gets: 160 on average over the targets, by weight, at least one."""
    total_weight = sum(seat.weight for seat in seats)
    targets = len({(seat.name, seat.target_port) for seat in seats})
    return [max(1, seat.weight * targets * POSITIONS_PER_SEAT // total_weight) for seat in seats]


def _ring_size(shares: Sequence[int], slots: int) -> int:
    size = max(slots, _SIZE_MIN)
    return size * max(1, -(-2 * sum(shares) // size))
