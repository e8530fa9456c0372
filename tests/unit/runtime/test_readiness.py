"""Threshold, panic, slow start and trials, as pure arithmetic."""

from __future__ import annotations

import pytest

from dbless_gateway.balancing.plan import Roster, Seat
from dbless_gateway.config.entities import Resilience
from dbless_gateway.runtime.peer import Peer, PeerId
from dbless_gateway.runtime.readiness import Readiness
from tests.support.upstream_entities import healthchecks, upstream


def start(*weights: int, down: int = 0) -> tuple[Roster, list[Peer]]:
    """Return a roster and its peers, the first ``down`` of them unavailable."""
    roster = Roster.of([Seat(f"s{n}", 80, "ip", 80, weight) for n, weight in enumerate(weights)])
    peers = [Peer(PeerId(f"s{n}:80", f"s{n}", "ip", 80)) for n in range(len(weights))]
    for number, (peer, weight) in enumerate(zip(peers, weights, strict=True)):
        peer.weight = weight
        peer.available = number >= down
    return roster, peers


def rules(
    threshold: float = 0, slow_start: float = 0, panic_threshold: float = 0, trial_interval: float = 0
) -> Readiness:
    """Return the rules of an upstream."""
    extension = Resilience(slow_start, panic_threshold, trial_interval, None)
    return Readiness(upstream(healthchecks=healthchecks(threshold=threshold), x_resilience=extension))


@pytest.mark.parametrize(
    ("threshold", "down", "serves"),
    [
        (0, 3, True),
        (0, 4, False),
        (25, 2, True),
        (25, 3, False),
        (75, 0, True),
        (75, 1, False),
        (100, 0, False),
    ],
)
def test_threshold(threshold: float, down: int, serves: bool) -> None:
    roster, peers = start(1, 1, 1, 1, down=down)
    assert rules(threshold).apply(roster, peers, 0) == (serves, False)
    assert list(roster.available) == [0] * down + [1] * (4 - down)


@pytest.mark.parametrize(
    ("panic", "down", "available"),
    [(50, 2, [0, 0, 1, 1]), (51, 2, [1] * 4), (1, 4, [1] * 4), (0, 4, [0] * 4)],
)
def test_panic(panic: float, down: int, available: list[int]) -> None:
    roster, peers = start(1, 1, 1, 1, down=down)
    serves, _ = rules(panic_threshold=panic).apply(roster, peers, 0)
    assert list(roster.available) == available
    assert serves is any(available)


def test_panic_needs_somebody() -> None:
    roster, peers = start()
    assert rules(panic_threshold=100).apply(roster, peers, 0) == (False, False)


@pytest.mark.parametrize(
    ("now_s", "weights", "is_growing"),
    [
        (100.0, [70, 200], True),
        (105.0, [385, 200], True),
        (109.9, [693, 200], True),
        (110.0, [700, 200], False),
    ],
)
def test_slow_start(now_s: float, weights: list[int], is_growing: bool) -> None:
    roster, peers = start(7, 2)
    peers[0].recovered_at_s = 100.0
    assert rules(slow_start=10).apply(roster, peers, now_s) == (True, is_growing)
    assert roster.weights == weights
    assert (peers[0].recovered_at_s is None) is not is_growing


def test_slow_start_switched_off_gives_the_weights_back() -> None:
    roster, peers = start(7, 2)
    peers[0].recovered_at_s = 100.0
    rules(slow_start=10).apply(roster, peers, 101.0)
    rules().apply(roster, peers, 101.0)
    assert roster.weights == [7, 2]


def test_a_trial_opens_a_dead_upstream_for_one_address() -> None:
    roster, peers = start(1, 1, down=2)
    peers[1].on_trial = True
    assert rules().apply(roster, peers, 0) == (True, False)
    assert list(roster.available) == [0, 1]


def test_a_host_has_no_rules() -> None:
    roster, peers = start(100)
    assert Readiness().apply(roster, peers, 0) == (True, False)
