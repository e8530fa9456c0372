"""round-robin: every seat in turn, in proportion to its weight.

There is no wheel in memory. One turn is ``total`` picks (the sum of the weights over their greatest common
divisor), seat i owns ``weight`` neighbouring positions of it, and the pointer advances by a step that has no
common divisor with ``total``: so each position is met exactly once per turn, and the distribution over a turn
is exact. The step is as near as possible to the golden section of the turn, which spreads every seat's share
evenly over it (weights 5, 1, 1 give ``a a b a c a a``), and costs the same for weights of 1 and of 65535.

Unavailable seats own no positions, so nothing is ever skipped while picking.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Sequence
from itertools import accumulate
from math import gcd
from typing import Final

from dbless_gateway.balancing.plan import Picker, Roster

_GOLDEN_SECTION: Final = 0.6180339887498949


class RoundRobin:
    """See the module."""

    __slots__ = ("_owners", "_position", "_reach", "_retries", "_roster", "_step", "_total")

    wants_loads = False

    def __init__(self, roster: Roster, position: int) -> None:
        self._roster = roster
        self._position = position
        self._retries = 0
        self.refresh()

    @classmethod
    def build(cls, roster: Roster, slots: int, previous: Picker | None) -> Generator[None, None, Picker]:
        """Continue where ``previous`` stood; ``slots`` means nothing here."""
        yield from ()
        return cls(roster, previous.position if isinstance(previous, RoundRobin) else 0)

    @property
    def position(self) -> int:
        """Where in the turn the last pick stood."""
        return self._position

    def pick(self, key: bytes, tried: Sequence[int]) -> int:
        """Return the next seat of the turn."""
        position = (self._position + self._step) % self._total
        self._position = position
        seat = self._owners[bisect_right(self._reach, position)]
        if seat in tried and seat >= 0:
            return self._pick_untried(tried)
        return seat

    def _pick_untried(self, tried: Sequence[int]) -> int:
        # By weight again, with a pointer of its own: the turn's would favour whoever follows the failing
        # seat.
        seats = self._roster.untried(tried)
        reach = list(accumulate(self._roster.weights[seat] for seat in seats))
        self._retries += 1
        return seats[bisect_right(reach, int(self._retries * _GOLDEN_SECTION % 1 * reach[-1]))]

    def refresh(self) -> None:
        """Lay out one turn over the available seats."""
        roster = self._roster
        self._owners = [seat for seat in range(len(roster.available)) if roster.available[seat]]
        weights = [roster.weights[seat] for seat in self._owners]
        divisor = gcd(*weights) or 1
        self._reach = list(accumulate(weight // divisor for weight in weights))
        self._total = self._reach[-1] if self._reach else 1
        if not self._owners:
            self._owners = [-1]
        self._step = _spread(self._total)
        self._position %= self._total

    def began(self, seat: int) -> None:
        """Nothing to learn."""

    def ended(self, seat: int, rtt_s: float | None, now_s: float) -> None:
        """Nothing to learn."""


def _spread(total: int) -> int:
    """Return the step nearest to the golden section of ``total`` that shares no divisor with it."""
    middle = round(total * _GOLDEN_SECTION)
    for distance in range(total):
        for step in (middle + distance, middle - distance):
            if 0 < step < total and gcd(step, total) == 1:
                return step
    return 1
