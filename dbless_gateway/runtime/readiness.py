"""Which seats of a plan may be picked now, with what weight, and whether the upstream serves at all.

Health says which addresses are available; Kong's ``healthchecks.threshold`` closes the upstream when too
little of its weight is. The rest is ``x_resilience``, off by default: below the panic threshold health is
disregarded (better an address that may be broken than none), an address that recovered gets its weight back
little by little, and an address on trial may be picked once.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbless_gateway.balancing.plan import Roster
from dbless_gateway.config.entities import Upstream
from dbless_gateway.runtime.peer import Peer

# A slow start begins with this share of the weight.
_PERCENT_MIN = 10
_PERCENT_MAX = 100
# How often the weight grows during a slow start.
SLOW_START_STEPS = 10


class Readiness:
    """The rules of one upstream; a host without an upstream has none."""

    __slots__ = ("_panic_percent", "_threshold_percent", "slow_start_s")

    def __init__(self, upstream: Upstream | None = None) -> None:
        extension = upstream.x_resilience if upstream is not None else None
        self._threshold_percent = upstream.healthchecks.threshold if upstream is not None else 0.0
        self._panic_percent = extension.panic_threshold if extension is not None else 0.0
        self.slow_start_s = extension.slow_start if extension is not None else 0.0

    def apply(self, roster: Roster, peers: Sequence[Peer], now_s: float) -> tuple[bool, bool]:
        """Bring a roster up to date; return whether the upstream serves, and whether weights still grow."""
        total = sum(peer.weight for peer in peers)
        available = sum(peer.weight for peer in peers if peer.available)
        available_percent = available / total * 100 if total else 0.0
        is_panic = total > 0 and available_percent < self._panic_percent
        has_trial = False
        for seat, peer in enumerate(peers):
            roster.available[seat] = is_panic or peer.available or peer.on_trial
            has_trial = has_trial or peer.on_trial
        is_growing = self._weigh(roster, peers, now_s)
        serves = total > 0 and available_percent > self._threshold_percent
        return serves or is_panic or has_trial, is_growing

    def _weigh(self, roster: Roster, peers: Sequence[Peer], now_s: float) -> bool:
        """Set the weights in effect; return whether some still grow."""
        if self.slow_start_s <= 0:
            roster.weights[:] = [peer.weight for peer in peers]
            return False
        # Only their ratio matters, so they are in hundredths: a weight of 1 can grow, too.
        percents = [self._percent(peer, now_s) for peer in peers]
        roster.weights[:] = [peer.weight * percent for peer, percent in zip(peers, percents, strict=True)]
        return any(percent < _PERCENT_MAX for percent in percents)

    def _percent(self, peer: Peer, now_s: float) -> int:
        if peer.recovered_at_s is None:
            return _PERCENT_MAX
        share = (now_s - peer.recovered_at_s) / self.slow_start_s
        if share >= 1:
            peer.recovered_at_s = None
            return _PERCENT_MAX
        return _PERCENT_MIN + int((_PERCENT_MAX - _PERCENT_MIN) * share)
