"""sticky-sessions: back to the seat of the token, or on by turns."""

from __future__ import annotations

from collections import Counter

from dbless_gateway.balancing.plan import Roster, Seat, run
from dbless_gateway.balancing.sticky_sessions import StickySessions


def start(*names: str) -> tuple[StickySessions, Roster]:
    """Return a picker over named seats."""
    roster = Roster.of([Seat(name, 80, "ip", 80, 1) for name in names])
    picker = run(StickySessions.build(roster, 10, None))
    assert isinstance(picker, StickySessions)
    return picker, roster


def test_a_token_leads_back() -> None:
    picker, _ = start("a", "b", "c")
    for seat in range(3):
        assert {picker.pick(picker.token(seat), ()) for _ in range(5)} == {seat}


def test_newcomers_are_spread() -> None:
    picker, _ = start("a", "b", "c")
    assert Counter(picker.pick(b"", ()) for _ in range(9)) == {0: 3, 1: 3, 2: 3}


def test_an_unavailable_or_tried_seat_is_replaced() -> None:
    picker, roster = start("a", "b")
    token = picker.token(0)
    assert picker.pick(token, (0,)) == 1
    roster.available[0] = 0
    picker.refresh()
    assert picker.pick(token, ()) == 1


def test_tokens_do_not_depend_on_other_seats() -> None:
    picker, _ = start("a", "b", "c")
    less, _ = start("c")
    assert picker.token(2) == less.token(0)


def test_the_turn_goes_on_after_a_change() -> None:
    picker, roster = start("a", "b", "c")
    first = picker.pick(b"", ())
    successor = run(StickySessions.build(roster, 10, picker))
    assert {first, successor.pick(b"", ()), successor.pick(b"", ())} == {0, 1, 2}
