"""The two half machines of an exchange, as tables."""

from __future__ import annotations

from enum import IntEnum

import pytest

from dbless_gateway.proxy.lifecycle import REQUEST_MOVES, RESPONSE_MOVES, RequestSide, ResponseSide

MACHINES = [(RequestSide, REQUEST_MOVES), (ResponseSide, RESPONSE_MOVES)]


@pytest.mark.parametrize(("states", "moves"), MACHINES)
def test_every_state_has_its_row(states: type[IntEnum], moves: dict[IntEnum, frozenset[IntEnum]]) -> None:
    assert set(moves) == set(states)


@pytest.mark.parametrize(("states", "moves"), MACHINES)
def test_every_state_but_the_first_can_be_reached(
    states: type[IntEnum], moves: dict[IntEnum, frozenset[IntEnum]]
) -> None:
    reached = set().union(*moves.values()) | {next(iter(states))}
    assert reached == set(states)


@pytest.mark.parametrize(("states", "moves"), MACHINES)
def test_no_way_back(states: type[IntEnum], moves: dict[IntEnum, frozenset[IntEnum]]) -> None:
    """From no state is there a way back to it, so each machine comes to an end."""

    def behind(state: IntEnum, seen: frozenset[IntEnum]) -> None:
        for following in moves[state]:
            assert following not in seen
            behind(following, seen | {following})

    for state in states:
        behind(state, frozenset({state}))
