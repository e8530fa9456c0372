"""How many retries an upstream's requests have earned: a bucket that requests fill and retries empty.

Retries multiply the load of targets just when they can bear it least; a budget bounds them to a share of the
traffic. A few are always there, so that an upstream with little traffic can retry at all. Belongs to a worker
and knows nothing of requests.
"""

from __future__ import annotations

# What a bucket holds at the start and at most: enough for a burst, too little to double the load for long.
RETRIES_HELD_MAX = 10.0


class RetryBudget:
    """``percent`` of requests may be retried; 0 is no limit."""

    __slots__ = ("_held", "_percent")

    def __init__(self, percent: float = 0.0) -> None:
        self._percent = percent
        self._held = RETRIES_HELD_MAX

    def earn(self) -> None:
        """Count a request."""
        self._held = min(self._held + self._percent / 100, RETRIES_HELD_MAX)

    def spend(self) -> bool:
        """Take one retry; False when there is none."""
        if self._percent == 0:
            return True
        if self._held < 1:
            return False
        self._held -= 1
        return True
