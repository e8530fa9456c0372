"""latency: the ranking agrees with the formula; want of a measurement neither starves nor floods."""

from __future__ import annotations

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.balancing.latency import DECAY_S, Latency
from dbless_gateway.balancing.plan import Picker, Roster, Seat, run


def start(*weights: int) -> tuple[Picker, Roster]:
    """Return a picker over seats a, b, c, ..."""
    roster = Roster.of(
        [Seat(chr(97 + number), 80, "ip", 80, weight) for number, weight in enumerate(weights)]
    )
    return run(Latency.build(roster, 10, None)), roster


def test_fastest_wins_and_weights_count() -> None:
    picker, _ = start(1, 1, 4)
    for seat, rtt_s in enumerate((0.2, 0.1, 0.5)):
        picker.ended(seat, rtt_s, 0.0)
    assert picker.pick(b"", ()) == 1
    for seat, rtt_s in enumerate((0.2, 0.1, 0.3)):
        picker.ended(seat, rtt_s, 100.0)
    assert picker.pick(b"", ()) == 2


def test_average() -> None:
    picker, roster = start(1)
    picker.ended(0, 0.4, 50.0)
    picker.ended(0, 0.1, 55.0)
    assert roster.loads[0].latency_s == pytest.approx(0.4 * exp(-0.5) + 0.1 * (1 - exp(-0.5)))


SAMPLES = st.lists(
    st.tuples(st.integers(0, 4), st.floats(0.001, 5), st.floats(0.01, 20)), min_size=1, max_size=30
)


@given(SAMPLES)
def test_choice_is_that_of_the_formula(samples: list[tuple[int, float, float]]) -> None:
    weights = (1, 2, 3, 4, 5)
    picker, roster = start(*weights)
    now_s = 0.0
    for seat in range(5):
        picker.ended(seat, 1.0, now_s)
    for seat, rtt_s, pause_s in samples:
        now_s += pause_s
        picker.ended(seat, rtt_s, now_s)
        scores = [
            load.latency_s * exp((load.measured_at_s - now_s) / DECAY_S) / weight
            for load, weight in zip(roster.loads, weights, strict=True)
        ]
        assert scores[picker.pick(b"", ())] == pytest.approx(min(scores))


def test_unmeasured_seats_take_turns() -> None:
    picker, _ = start(1, 1, 1)
    seen = []
    for _ in range(3):
        seen.append(picker.pick(b"", ()))
        picker.began(seen[-1])
    assert sorted(seen) == [0, 1, 2]


def test_a_new_seat_starts_from_the_mean() -> None:
    _, roster = start(1, 1, 1)
    roster.loads[0].latency_s, roster.loads[0].measured_at_s = 0.1, 5.0
    roster.loads[2].latency_s, roster.loads[2].measured_at_s = 0.3, 7.0
    run(Latency.build(roster, 10, None))
    assert roster.loads[1].latency_s == pytest.approx(0.2)
    assert roster.loads[1].measured_at_s == 7.0


def test_a_seat_that_only_fails_is_not_everybodys_first_choice() -> None:
    picker, _ = start(1, 1)
    picker.ended(1, 0.1, 1.0)
    assert picker.pick(b"", ()) == 0
    picker.ended(0, None, 1.0)
    picker.began(0)
    assert picker.pick(b"", ()) == 1


def test_a_slow_seat_is_tried_again_later() -> None:
    picker, _ = start(1, 1)
    picker.ended(0, 1.0, 0.0)
    picker.ended(1, 0.4, 0.0)
    for now_s in range(1, 30):
        if picker.pick(b"", ()) == 0:
            break
        picker.ended(1, 0.4, float(now_s))
    assert now_s == 11


def test_an_immeasurably_fast_answer() -> None:
    picker, _ = start(1)
    picker.ended(0, 0.0, 0.0)
    assert picker.pick(b"", ()) == 0
