"""Limits on requests in windows: counting on this node, and what the client is told of it.

The part of rate limiting that runs for each request, in a module of its own because it is compiled. Numbers of
requests are reals, as in Lua: a limit may be 2.5, and whole ones are written without a fraction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.windows import CurrentWindow, SlidingWindow, seconds_to_reset

# Of the window that leaves least, after the headers of each window.
_TIGHTEST_HEADERS: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
# Reals are whole numbers without gaps up to here.
_EXACT_UP_TO: Final = 2.0**53

# ``Counters.increment`` and ``Counters.read`` of ``pdk.plugin``.
Increment = Callable[[str, int, float | None, float], int]
Read = Callable[[str], int]


class Limit:
    """One window with its limit and the names of its headers."""

    __slots__ = ("limit_header", "period", "remaining_header", "text", "value", "window")

    def __init__(self, window: CurrentWindow, value: float) -> None:
        self.period = window.period
        self.value = float(value)
        self.text = number(self.value)
        self.window = window
        self.limit_header = f"X-RateLimit-Limit-{self.period.capitalize()}"
        self.remaining_header = f"X-RateLimit-Remaining-{self.period.capitalize()}"

    @property
    def sliding(self) -> SlidingWindow:
        """Return the window of a plugin whose windows slide."""
        assert isinstance(self.window, SlidingWindow)
        return self.window


class Limits:
    """All limits of one plugin, from the shortest window to the longest."""

    __slots__ = ("_header_names", "all")

    def __init__(self, limits: list[Limit]) -> None:
        self.all = limits
        names: list[str] = []
        for limit in limits:
            names += (limit.limit_header, limit.remaining_header)
        self._header_names = (*names, *_TIGHTEST_HEADERS)

    def count(self, increment: Increment, key: str, now: float) -> tuple[list[float], bool]:
        """Count a request in each calendar window up to the first that is full; return what is left in each.

        The second value tells whether none was full. What was counted is the caller's to take back.
        """
        remaining: list[float] = []
        for limit in self.all:
            window = limit.window
            ends_at = window.enter(now)
            rest = limit.value - increment(key + window.key, 1, limit.value, ends_at)
            if rest <= 0:
                return remaining, False
            remaining.append(rest - 1)
        return remaining, True

    def slide(self, increment: Increment, read: Read, key: str, now: float) -> tuple[list[float], bool]:
        """Do the same where windows slide."""
        remaining: list[float] = []
        for limit in self.all:
            window = limit.sliding
            # A window still counts while it is the previous one.
            expires_at = window.enter(now) + window.length_s
            room = limit.value - window.carried(read(key + window.previous_key), now)
            rest = room - increment(key + window.key, 1, room, expires_at)
            if rest <= 0:
                return remaining, False
            remaining.append(rest - 1)
        return remaining, True

    def take_back(self, increment: Increment, key: str, counted: int) -> None:
        """A refused request must not count in the windows where it has been counted already."""
        for limit in self.all[:counted]:
            increment(key + limit.window.key, -1, None, 0.0)

    def show(
        self, ctx: Context, remaining: Sequence[float], now: float, waits_s: list[int] | None = None
    ) -> str:
        """Set the client's headers; return the seconds until the tightest window ends, or lets one more pass."""
        limits = self.all
        values: list[str] = []
        tightest, at, least, least_text = limits[0], 0, inf, ""
        for number_of, limit in enumerate(limits):
            rest = max(remaining[number_of], 0.0)
            text = number(rest)
            values.append(limit.text)
            values.append(text)
            # Limits are in the order of their length, and of equals the longer window wins.
            if rest <= least:
                tightest, at, least, least_text = limit, number_of, rest, text
        if waits_s is None:
            reset = str(seconds_to_reset(tightest.period, tightest.window.starts_at, now))
        else:
            reset = str(waits_s[at])
        values += (tightest.text, least_text, reset)
        ctx.set_response_headers(self._header_names, tuple(values))
        return reset


class Answers:
    """What a client is told of its limits, and how it is refused."""

    __slots__ = ("_limits", "_message", "_shows_headers", "_status")

    def __init__(self, limits: Limits, status: int, message: str | None, *, shows_headers: bool) -> None:
        self._limits = limits
        self._status = status
        self._message = message
        self._shows_headers = shows_headers

    def fits(self, ctx: Context, remaining: Sequence[float], now: float) -> None:
        """Let a request pass that has been counted; ``remaining`` is behind it."""
        if self._shows_headers:
            self._limits.show(ctx, remaining, now)

    def full(
        self, ctx: Context, remaining: Sequence[float], now: float, waits_s: list[int] | None = None
    ) -> Reply:
        """Refuse a request."""
        if not self._shows_headers:
            return refuse(ctx, self._status, self._message)
        reset = self._limits.show(ctx, remaining, now, waits_s)
        return refuse(ctx, self._status, self._message, (("Retry-After", reset),))


class CalendarCounting:
    """Counts each request on this node in every window of the calendar, or in none when one of them is full."""

    __slots__ = ("_identify", "_increment", "_key_prefix", "_now", "_read", "answers", "limits")

    def __init__(
        self,
        limits: Limits,
        answers: Answers,
        key_prefix: str,
        identify: Callable[[Context], str],
        increment: Increment,
        read: Read,
        now: Callable[[], float],
    ) -> None:
        self.limits = limits
        self.answers = answers
        self._key_prefix = key_prefix
        self._identify = identify
        self._increment = increment
        self._read = read
        self._now = now

    def run(self, ctx: Context) -> Reply | None:
        """Do it; the access step of a rate limit that is local."""
        return self.count(ctx, self.key_of(ctx), self._now())

    def key_of(self, ctx: Context) -> str:
        """Return under which name this caller is counted, to which the window's is added."""
        return self._key_prefix + self._identify(ctx)

    def count(self, ctx: Context, key: str, now: float) -> Reply | None:
        """Count the request, tell the client where it stands, refuse it when a window is full."""
        remaining, fits = self.limits.count(self._increment, key, now)
        if not fits:
            return self._refuse(ctx, key, len(remaining), now)
        self.answers.fits(ctx, remaining, now)
        return None

    def _refuse(self, ctx: Context, key: str, counted: int, now: float) -> Reply:
        limits = self.limits.all
        self.limits.take_back(self._increment, key, counted)
        for limit in limits:
            limit.window.enter(now)
        return self.answers.full(
            ctx, [limit.value - self._read(key + limit.window.key) for limit in limits], now
        )


def consumer_or_ip(ctx: Context) -> str:
    """Return what tells callers apart by default; whoever is not known is told apart by address."""
    if ctx.consumer is not None:
        return ctx.consumer.id
    return ctx.credential.id if ctx.credential is not None else ctx.client_ip


def number(value: float) -> str:
    """Write a number as Lua does."""
    if -_EXACT_UP_TO < value < _EXACT_UP_TO:
        whole = int(value)
        if whole == value:
            return str(whole)
    return f"{value:.14g}"
