"""latency: the seat whose recent responses came fastest, relative to its weight.

Each seat has an exponentially weighted moving average of its round trips with a decay time of ten seconds,
and the average itself decays while nothing is measured: a slow seat is tried again after a while. The score
is the decayed average over the weight. All averages decay alike, so their order only changes when one is
measured, and is kept in a ranking by ``ln(average / weight) + measured_at / decay``: picking needs no clock
and no scan.

A seat without measurements starts from the mean of the others. When nobody was measured yet, seats take
turns.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import exp, inf, log

from dbless_gateway.balancing.plan import Load, Picker, Roster
from dbless_gateway.balancing.ranking import ABSENT, Ranking

DECAY_S = 10.0
# Below what can be measured; keeps logarithms finite.
_LATENCY_MIN_S = 1e-6


class Latency:
    """See the module."""

    __slots__ = ("_ranking", "_roster")

    wants_loads = True

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._ranking = Ranking(len(roster.seats))
        self._assume_mean([load for load in roster.loads if not load.latency_s])
        self.refresh()

    @classmethod
    def build(cls, roster: Roster, slots: int, previous: Picker | None) -> Generator[None, None, Picker]:
        """Start from the averages in the roster; everything else means nothing here."""
        yield from ()
        return cls(roster)

    def pick(self, key: bytes, tried: Sequence[int]) -> int:
        """Return the fastest seat."""
        best = self._ranking.best
        if best in tried and best >= 0:
            return self._ranking.best_of(self._roster.untried(tried))
        return best

    def refresh(self) -> None:
        """Rank all seats anew."""
        self._ranking.assign([self._score(seat) for seat in range(len(self._roster.seats))])

    def began(self, seat: int) -> None:
        """Let seats of equal score take turns."""
        self._ranking.choose(seat, self._ranking.scores[seat])

    def ended(self, seat: int, rtt_s: float | None, now_s: float) -> None:
        """Take in a measurement."""
        load = self._roster.loads[seat]
        if rtt_s is not None:
            rtt_s = max(rtt_s, _LATENCY_MIN_S)
            kept = exp((load.measured_at_s - now_s) / DECAY_S) if load.latency_s else 0.0
            load.latency_s = load.latency_s * kept + rtt_s * (1 - kept)
            load.measured_at_s = now_s
        elif not load.latency_s:
            # Never measured and failing: it must not stay everybody's first choice.
            self._assume_mean([load])
        self._ranking.set(seat, self._score(seat))

    def _assume_mean(self, unmeasured: Sequence[Load]) -> None:
        measured = [load for load in self._roster.loads if load.latency_s]
        if measured:
            mean_s = sum(load.latency_s for load in measured) / len(measured)
            measured_at_s = max(load.measured_at_s for load in measured)
            for load in unmeasured:
                load.latency_s, load.measured_at_s = mean_s, measured_at_s

    def _score(self, seat: int) -> float:
        roster = self._roster
        if not roster.available[seat]:
            return ABSENT
        load = roster.loads[seat]
        if not load.latency_s:
            return -inf
        return log(load.latency_s / roster.weights[seat]) + load.measured_at_s / DECAY_S
