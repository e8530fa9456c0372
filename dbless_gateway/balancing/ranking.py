"""The seat with the lowest score, at once, while scores change one by one.

A tournament: seats are the leaves of a full binary tree, every inner node holds the winner of the two below
it. Reading the best is one look-up; a changed score replays the matches on the way up, ten for a thousand
seats. Among equal scores the seat that was chosen longest ago wins, so that equals take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

ABSENT = inf


class Ranking:
    """See the module; all seats start absent."""

    __slots__ = ("_chosen_at", "_clock", "_leaves", "_winners", "scores")

    def __init__(self, seats: int) -> None:
        self._leaves = 1 << max(1, (seats - 1).bit_length())
        self._clock = 0
        self._chosen_at = [0] * self._leaves
        self._winners = [0] * self._leaves + list(range(self._leaves))
        self.assign(())

    def assign(self, scores: Sequence[float]) -> None:
        """Set the scores of all seats at once; those beyond the end are absent."""
        self.scores = [*scores, *[ABSENT] * (self._leaves - len(scores))]
        for node in range(self._leaves - 1, 0, -1):
            self._winners[node] = self._match(node)

    @property
    def best(self) -> int:
        """The winning seat, or -1 when all are absent."""
        winner = self._winners[1]
        return winner if self.scores[winner] != ABSENT else -1

    def best_of(self, seats: list[int]) -> int:
        """Return the winner among a few, or -1 when there are none."""
        return min(seats, key=lambda seat: (self.scores[seat], self._chosen_at[seat]), default=-1)

    def choose(self, seat: int, score: float) -> None:
        """Note that the seat was chosen, and its new score."""
        self._clock += 1
        self._chosen_at[seat] = self._clock
        self.set(seat, score)

    def set(self, seat: int, score: float) -> None:
        """Change one score."""
        self.scores[seat] = score
        winners = self._winners
        node = (self._leaves + seat) >> 1
        while node:
            winner = self._match(node)
            if winners[node] == winner != seat:
                return  # The seat loses here as before: nothing changes further up.
            winners[node] = winner
            node >>= 1

    def _match(self, node: int) -> int:
        one, other = self._winners[2 * node], self._winners[2 * node + 1]
        score_one, score_other = self.scores[one], self.scores[other]
        if score_other < score_one:
            return other
        if score_other == score_one and self._chosen_at[other] < self._chosen_at[one]:
            return other
        return one
