"""How late a worker's loop is: what its regular sweep finds, which comes when it can and not when it should.

A loop that is busy with one thing serves nobody, and clients cannot tell that from a slow network. Measuring
costs nothing per request. It is a sample: a stall is seen if the sweep falls into it, so one of 10 ms every
tenth time and one that is longer than the sweep's interval always.
"""

from __future__ import annotations

# Longer than the usual interval of scrapes: no stall is forgotten before it was shown.
WINDOW_S = 60.0


class LoopLag:
    """The greatest lateness of the last one to two windows. Times are those of the loop, in seconds."""

    __slots__ = ("_before", "_greatest", "_window_ends_at")

    def __init__(self, now_s: float) -> None:
        self._greatest = 0.0
        self._before = 0.0
        self._window_ends_at = now_s + WINDOW_S

    def note(self, now_s: float, due_s: float) -> None:
        """Note that what was due then happens now."""
        if now_s >= self._window_ends_at:
            self._before, self._greatest = self._greatest, 0.0
            self._window_ends_at = now_s + WINDOW_S
        self._greatest = max(self._greatest, now_s - due_s)

    @property
    def greatest_s(self) -> float:
        """Return the greatest lateness."""
        return max(self._greatest, self._before)
