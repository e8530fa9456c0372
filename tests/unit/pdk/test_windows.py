"""Calendar windows in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.pdk.windows import (
    LENGTH_S,
    CurrentWindow,
    SlidingWindow,
    seconds_to_reset,
    window_bounds,
)


def _at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("second", "2024-02-29T12:34:56.9", "2024-02-29T12:34:56", "2024-02-29T12:34:57"),
        ("minute", "2024-02-29T12:34:56", "2024-02-29T12:34:00", "2024-02-29T12:35:00"),
        ("hour", "2024-02-29T12:34:56", "2024-02-29T12:00:00", "2024-02-29T13:00:00"),
        ("day", "2024-02-29T12:34:56", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("month", "2024-12-31T23:59:59", "2024-12-01T00:00:00", "2025-01-01T00:00:00"),
        ("year", "2024-02-29T12:34:56", "2024-01-01T00:00:00", "2025-01-01T00:00:00"),
    ],
)
def test_bounds(period: str, now: str, start: str, end: str) -> None:
    assert window_bounds(period, _at(now)) == (_at(start), _at(end))


@pytest.mark.parametrize(
    ("period", "now", "seconds"),
    [
        ("second", "2024-01-31T00:00:00.9", 1),
        ("minute", "2024-01-31T00:00:59.9", 1),
        ("hour", "2024-01-31T00:00:01.5", 3599),
        ("month", "2024-01-31T23:00:00", 1),
        ("month", "2024-01-02T00:00:00", 29 * 86400),
    ],
)
def test_reset_uses_the_nominal_length(period: str, now: str, seconds: int) -> None:
    start, _ = window_bounds(period, _at(now))
    assert seconds_to_reset(period, start, _at(now)) == seconds


@given(st.sampled_from(list(LENGTH_S)), st.lists(st.floats(0, 4e9), min_size=1))
def test_the_remembered_window_is_the_right_one(period: str, times: list[float]) -> None:
    """Whatever the clock does, also going back."""
    window = CurrentWindow(period)
    for now in times:
        start, end = window_bounds(period, now)
        assert window.enter(now) == end
        assert start <= now < end
        assert window.key == f":{start * 1000}:{period}"


@pytest.mark.parametrize(
    ("now", "previous", "carried"),
    [
        ("2024-01-01T00:01:00", 10, 10),
        ("2024-01-01T00:01:15", 10, 8),
        ("2024-01-01T00:01:30", 10, 5),
        ("2024-01-01T00:01:59.9", 10, 1),
        ("2024-01-01T00:01:30", 0, 0),
        ("2024-01-01T00:01:54", 10, 1),
    ],
)
def test_what_a_sliding_window_carries_over(now: str, previous: int, carried: int) -> None:
    window = SlidingWindow("minute")
    window.enter(_at(now))

    assert window.carried(previous, _at(now)) == carried


def test_the_previous_month_has_its_own_length() -> None:
    window = SlidingWindow("month")
    assert window.enter(_at("2024-03-16T12:00:00")) == _at("2024-04-01T00:00:00")

    assert window.previous_key == f":{int(_at('2024-02-01T00:00:00')) * 1000}:month"
    assert window.length_s == 31 * 86400
    assert window.share(_at("2024-03-16T12:00:00")) == 0.5


@given(
    limit=st.integers(1, 1000),
    counts=st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
    passed_s=st.floats(0, 59.999),
)
def test_room_is_there_when_it_was_promised_and_not_a_second_earlier(
    limit: int, counts: tuple[int, int], passed_s: float
) -> None:
    start = 1_700_000_040
    current, previous = counts

    def has_room(at: float) -> bool:
        window = SlidingWindow("minute")
        window.enter(at)
        if at < start + 60:
            return window.carried(previous, at) + current < limit
        return at >= start + 120 or window.carried(current, at) < limit

    window = SlidingWindow("minute")
    now = start + passed_s
    window.enter(now)
    wait_s = window.seconds_to_room(limit, current, previous, now)

    assert has_room(now + wait_s)
    assert wait_s == 1 or not has_room(now + wait_s - 1.001)
