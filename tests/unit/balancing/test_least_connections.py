"""least-connections: in proportion to weight under load, taking turns without it."""

from __future__ import annotations

from collections import Counter

from dbless_gateway.balancing.least_connections import LeastConnections
from dbless_gateway.balancing.plan import Picker, Roster, Seat, run


def start(*weights: int) -> tuple[Picker, Roster]:
    """Return a picker over seats a, b, c, ..."""
    roster = Roster.of(
        [Seat(chr(97 + number), 80, "ip", 80, weight) for number, weight in enumerate(weights)]
    )
    return run(LeastConnections.build(roster, 10, None)), roster


def begin(picker: Picker, roster: Roster, tried: tuple[int, ...] = ()) -> int:
    """Pick and send."""
    seat = picker.pick(b"", tried)
    roster.loads[seat].in_flight += 1
    picker.began(seat)
    return seat


def end(picker: Picker, roster: Roster, seat: int) -> None:
    """Finish a request."""
    roster.loads[seat].in_flight -= 1
    picker.ended(seat, 0.1, 0.0)


def test_open_requests_are_in_proportion_to_weights() -> None:
    picker, roster = start(100, 200, 300)
    assert Counter(begin(picker, roster) for _ in range(60)) == {0: 10, 1: 20, 2: 30}


def test_without_load_equals_take_turns() -> None:
    picker, roster = start(1, 1, 1)
    served: Counter[int] = Counter()
    for _ in range(9):
        seat = begin(picker, roster)
        served[seat] += 1
        end(picker, roster, seat)
    assert served == {0: 3, 1: 3, 2: 3}


def test_a_slow_seat_gets_less() -> None:
    picker, roster = start(1, 1)
    assert begin(picker, roster) == 0  # never ends
    served: Counter[int] = Counter()
    for _ in range(10):
        seat = begin(picker, roster)
        served[seat] += 1
        end(picker, roster, seat)
    assert served == {1: 10}


def test_a_retry_goes_to_the_least_busy_of_the_others() -> None:
    picker, roster = start(1, 1, 1)
    begin(picker, roster)
    begin(picker, roster)
    assert picker.pick(b"", ()) == 2
    assert picker.pick(b"", (2,)) == 0
    assert picker.pick(b"", (2, 0)) == 1


def test_counts_survive_a_new_plan() -> None:
    picker, roster = start(1, 1)
    begin(picker, roster)
    successor = run(LeastConnections.build(roster, 10, picker))
    assert successor.pick(b"", ()) == 1
