"""least-connections: the seat with the lowest ``(requests in flight + 1) / weight``.

The counts are those of this worker. Seats of equal score take turns.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from dbless_gateway.balancing.plan import Picker, Roster
from dbless_gateway.balancing.ranking import ABSENT, Ranking


class LeastConnections:
    """See the module."""

    __slots__ = ("_ranking", "_roster")

    wants_loads = True

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._ranking = Ranking(len(roster.seats))
        self.refresh()

    @classmethod
    def build(cls, roster: Roster, slots: int, previous: Picker | None) -> Generator[None, None, Picker]:
        """Start from the loads in the roster; everything else means nothing here."""
        yield from ()
        return cls(roster)

    def pick(self, key: bytes, tried: Sequence[int]) -> int:
        """Return the least busy seat."""
        best = self._ranking.best
        if best in tried and best >= 0:
            return self._ranking.best_of(self._roster.untried(tried))
        return best

    def refresh(self) -> None:
        """Rank all seats anew."""
        self._ranking.assign([self._score(seat) for seat in range(len(self._roster.seats))])

    def began(self, seat: int) -> None:
        """Rank the seat with one request more."""
        self._ranking.choose(seat, self._score(seat))

    def ended(self, seat: int, rtt_s: float | None, now_s: float) -> None:
        """Rank the seat with one request less."""
        self._ranking.set(seat, self._score(seat))

    def _score(self, seat: int) -> float:
        roster = self._roster
        if not roster.available[seat]:
            return ABSENT
        return (roster.loads[seat].in_flight + 1) / roster.weights[seat]
