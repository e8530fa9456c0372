"""Calendar windows, as the rate limiting plugins count in them.

Windows are aligned to UTC: a minute begins at second 0, a month on its first day. Times are seconds since
the epoch. For the client a window has a nominal length (a month is 30 days), as in Kong.
"""

from __future__ import annotations

from calendar import timegm
from math import ceil
from time import gmtime
from typing import Final

# From the shortest to the longest; a month and a year are nominal.
LENGTH_S: Final = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "month": 2592000,
    "year": 31536000,
}

# Products that should be whole numbers may be a little more.
_ROUNDING: Final = 1e-9


def window_bounds(period: str, now: float) -> tuple[int, int]:
    """Return the start of the window that ``now`` is in, and the start of the next one."""
    whole = int(now // 1)
    if period in ("second", "minute", "hour", "day"):
        length = LENGTH_S[period]
        start = whole - whole % length
        return start, start + length
    date = gmtime(whole)
    if period == "month":
        return _month(date.tm_year, date.tm_mon), _month(date.tm_year, date.tm_mon + 1)
    return _month(date.tm_year, 1), _month(date.tm_year + 1, 1)


def seconds_to_reset(period: str, start: int, now: float) -> int:
    """Return how long clients are told to wait for the next window, at least 1."""
    return max(1, LENGTH_S[period] - int(now - start))


class CurrentWindow:
    """Remembers the window that the last request was in, because the next is nearly always in the same."""

    __slots__ = ("_ends_at", "key", "period", "starts_at")

    def __init__(self, period: str) -> None:
        self.period = period
        self.starts_at = 0
        self._ends_at = 0
        self.key = ""

    def enter(self, now: float) -> int:
        """Move to the window of ``now`` and return when it ends; ``key`` then names it in counters."""
        if not self.starts_at <= now < self._ends_at:
            self.starts_at, self._ends_at = window_bounds(self.period, now)
            self.key = f":{self.starts_at * 1000}:{self.period}"
        return self._ends_at


class SlidingWindow(CurrentWindow):
    """A window that ends now, estimated from the calendar window that is running and the one before it.

    Requests of the previous window are taken to be spread evenly, so that part of them still counts which
    the sliding window covers. Parts count as whole requests: an estimate is never over the limit.
    """

    __slots__ = ("_known_start", "length_s", "previous_key")

    def __init__(self, period: str) -> None:
        super().__init__(period)
        self.previous_key = ""
        self.length_s = LENGTH_S[period]
        self._known_start = -1

    def enter(self, now: float) -> int:
        """Move to the window of ``now``; return when it ends."""
        ends_at = super().enter(now)
        if self.starts_at != self._known_start:
            self._known_start = self.starts_at
            self.length_s = ends_at - self.starts_at
            self.previous_key = f":{window_bounds(self.period, self.starts_at - 1)[0] * 1000}:{self.period}"
        return ends_at

    def share(self, now: float) -> float:
        """Return which part of the previous window still counts."""
        return 1 - (now - self.starts_at) / self.length_s

    def carried(self, previous: int, now: float) -> int:
        """Return how many requests of the previous window still count."""
        return ceil(previous * self.share(now) - _ROUNDING)

    def seconds_to_room(self, limit: float, current: int, previous: int, now: float) -> int:
        """Return after how many seconds one more request fits if nobody asks meanwhile, at least 1."""
        spare = ceil(limit) - 1 - current
        passed_s = now - self.starts_at
        if spare >= 0:
            room_at_s = self.length_s * (1 - spare / previous) if previous > spare else 0.0
            return max(1, ceil(room_at_s - passed_s))
        # Not in this window: what has been counted in it will be the previous one.
        spare = ceil(limit) - 1
        room_at_s = self.length_s * (1 - spare / current) if current > spare else 0.0
        return max(1, ceil(self.length_s - passed_s + room_at_s))


def _month(year: int, month: int) -> int:
    return timegm((year + (month - 1) // 12, (month - 1) % 12 + 1, 1, 0, 0, 0))
