"""What an algorithm works on: seats (what was asked for), loads (what was learned), and a picker.

A *seat* is one address of an upstream with a weight above zero; seats are numbered, and all answers are these
numbers. Seats are always sorted, so that every worker and every node builds the same thing from the same
configuration, whatever the order of its lists.

Rules for every algorithm:

1. ``pick`` neither allocates nor scans while nothing has failed: it is on the path of each request.
2. Seats in ``tried`` are avoided as long as an untried one is available; when all were tried, they may be
   tried again.
3. Health is the byte per seat in ``Roster.available`` and nothing else. Whoever changes it (or a weight)
   calls ``refresh``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar


class Seat(NamedTuple):
    """One address that may be picked; the order of the fields is the order in which seats are sorted."""

    name: str  # of the target: host name or IP address as configured
    target_port: int
    ip: str
    port: int
    weight: int  # above zero


class Load:
    """What was learned about one address; outlives every plan that seats it."""

    __slots__ = ("in_flight", "latency_s", "measured_at_s")

    def __init__(self) -> None:
        self.in_flight = 0
        self.latency_s = 0.0  # moving average; 0 until something was measured
        self.measured_at_s = 0.0  # monotonic


@dataclass(slots=True)
class Roster:
    """The seats of one plan with the mutable facts beside them, index by index."""

    seats: tuple[Seat, ...]
    loads: Sequence[Load]
    available: bytearray  # 1: may be picked
    weights: list[int]  # in effect now; differs from the seat's own during slow start

    @classmethod
    def of(cls, seats: Sequence[Seat]) -> Roster:
        """Return a roster of fresh, available seats, in the one order that all nodes agree on."""
        ordered = tuple(sorted(seats))
        return cls(
            seats=ordered,
            loads=tuple(Load() for _ in ordered),
            available=bytearray(b"\x01" * len(ordered)),
            weights=[seat.weight for seat in ordered],
        )

    def untried(self, tried: Sequence[int]) -> list[int]:
        """Return the available seats that were not tried yet; all available ones when there are none."""
        up = [seat for seat in range(len(self.available)) if self.available[seat]]
        return [seat for seat in up if seat not in tried] or up


class Picker(Protocol):
    """One upstream's algorithm at work."""

    # Whether ``began`` and ``ended`` do anything: callers may leave them out otherwise.
    wants_loads: bool

    def pick(self, key: bytes, tried: Sequence[int]) -> int:
        """Return a seat, or -1 when none is available."""

    def refresh(self) -> None:
        """Take notice of changed availability or weights."""

    def began(self, seat: int) -> None:
        """Take notice that a request was sent (``in_flight`` is counted already)."""

    def ended(self, seat: int, rtt_s: float | None, now_s: float) -> None:
        """Take notice that it ended; ``rtt_s`` is None when it failed."""


# Building may take long (a large ring): it yields between slices of well under a millisecond. ``slots`` is
# the upstream's; ``previous`` is the picker that is replaced, of any algorithm.
Algorithm = Callable[[Roster, int, "Picker | None"], Generator[None, None, Picker]]

_Result = TypeVar("_Result")


def run(steps: Generator[None, None, _Result]) -> _Result:
    """Drive a sliced job to its end at once and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: _Result = stop.value
            return result
