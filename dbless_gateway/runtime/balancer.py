"""A balancer: what the hot path asks for a peer, and tells how it went.

There is one per Upstream, and one per (host, port) of a service that names no Upstream: those have a single
target, no health checks, and wording of their own for failures. A balancer is found by stable identity and
outlives every reload; what a reload replaces is its lineup.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from enum import Enum
from time import monotonic

from dbless_gateway.balancing.hash_key import HashKey, KeySource, NewCookie, compile_hash_key, set_cookie
from dbless_gateway.balancing.health import (
    FAILURES,
    HEALTHY,
    MOSTLY_HEALTHY,
    UNHEALTHY,
    Report,
    is_available,
    is_checked,
    passive_reports,
    passive_rules,
)
from dbless_gateway.balancing.plan import Picker
from dbless_gateway.balancing.sticky_sessions import StickySessions
from dbless_gateway.config.entities import Healthchecks, Retry, Upstream
from dbless_gateway.runtime.health_messages import TRIAL, TRIAL_PASSED, Address, PassiveReport
from dbless_gateway.runtime.lineup import Lineup, Member, Names, Setup
from dbless_gateway.runtime.peer import Peer, PeerId
from dbless_gateway.runtime.readiness import SLOW_START_STEPS, Readiness
from dbless_gateway.runtime.retry_budget import RetryBudget

# How long a worker leaves a peer out on its own judgement. The registry's comes within milliseconds, on a busy
# machine within a few hundred.
SUSPICION_S = 1.0

_SETTLED = frozenset({HEALTHY, UNHEALTHY})


class NoPeer(Enum):
    """Why ``pick`` gave nothing; the proxy's table of failures words the answer."""

    NO_AVAILABLE_PEER = "failure to get a peer from the ring-balancer"
    NAME_NOT_FOUND = "name resolution failed"
    DNS_FAILED = "the name servers gave no answer"


class Balancer:
    """See the module."""

    __slots__ = (
        "_first_peers",
        "_is_healthy",
        "_known",
        "_limits",
        "_lineup",
        "_names",
        "_peers",
        "_picker",
        "_readiness",
        "_send_report",
        "_staged",
        "_states",
        "_status_reports",
        "_sticky",
        "_timer",
        "_wants_loads",
        "hash_key",
        "name",
        "retry",
        "retry_budget",
        "upstream_id",
    )

    def __init__(
        self,
        name: str,
        upstream_id: str | None,
        names: Names,
        send_report: Callable[[PassiveReport], bool],
        states: dict[Address, str],
    ) -> None:
        """``states`` has the address states that are not ``HEALTHY``; the owner keeps it up to date.

        ``send_report`` tells whether there is anybody who judges.
        """
        self.name = name
        self.upstream_id = upstream_id
        self.hash_key: Callable[[KeySource], HashKey] | None = None
        self.retry: Retry | None = None
        self.retry_budget = RetryBudget()
        self._sticky: tuple[str, str] | None = None  # name and path of the cookie
        self._names = names
        self._known: dict[PeerId, Peer] = {}
        self._staged: Lineup | None = None
        self._lineup: Lineup | None = None
        self._readiness = Readiness()
        self._timer: asyncio.TimerHandle | None = None
        self._send_report = send_report
        self._states = states
        self._status_reports: Mapping[int, Report] = {}
        self._limits: Mapping[Report, int] = {}  # those that are not 0
        self._first_peers: asyncio.Future[None] | None = None
        # Copies out of the lineup, because every request reads them.
        self._picker: Picker | None = None
        self._peers: tuple[Peer, ...] = ()
        self._is_healthy = False
        self._wants_loads = False

    # The hot path.

    def pick(self, key: bytes, tried: Sequence[Peer]) -> Peer | None:
        """Return the peer for this try, or None; then ``waiting`` and ``error`` say why."""
        if self._picker is None or not self._is_healthy:
            return None
        seat = self._picker.pick(key, [peer.seat for peer in tried] if tried else ())
        return self._peers[seat] if seat >= 0 else None

    def began(self, peer: Peer) -> None:
        """Count a try that goes to ``peer``."""
        peer.in_flight += 1
        if peer.on_trial:
            self._begin_trial(peer)
        if self._wants_loads and self._picker is not None and peer.seat >= 0:
            self._picker.began(peer.seat)

    def ended(self, peer: Peer, rtt_s: float | None) -> None:
        """Count it off; ``rtt_s`` is connecting plus waiting for the head, None for a failed try."""
        peer.in_flight -= 1
        if self._wants_loads and self._picker is not None and peer.seat >= 0:
            self._picker.ended(peer.seat, rtt_s, monotonic())

    def report_status(self, peer: Peer, status: int) -> None:
        """Tell that ``peer`` answered with this status."""
        report = self._status_reports.get(status)
        if peer.trial_runs:
            self._end_trial(peer, report, status)
        elif report is not None:
            self._report_outcome(peer, report, status)

    def report_tcp_failure(self, peer: Peer) -> None:
        """Tell that the connection to ``peer`` failed, or broke before the response was complete."""
        peer.trial_runs = False
        if Report.TCP_FAILURE in self._limits:
            self._report_outcome(peer, Report.TCP_FAILURE, 0)

    def report_timeout(self, peer: Peer) -> None:
        """Tell that ``peer`` did not connect, take the request or go on answering in time."""
        peer.trial_runs = False
        if Report.TIMEOUT in self._limits:
            self._report_outcome(peer, Report.TIMEOUT, 0)

    def _report_outcome(self, peer: Peer, report: Report, status: int) -> None:
        """Send a report on, unless it agrees with what the address is known as anyway."""
        if report is Report.SUCCESS:
            if peer.health == HEALTHY:
                return
            peer.own_failures.clear()
        elif peer.health == UNHEALTHY:
            return
        elif peer.health == HEALTHY:
            # The registry will say so in a moment; a success that comes before that must not be held back.
            peer.health = MOSTLY_HEALTHY
        assert self.upstream_id is not None
        is_judged = self._send_report(
            PassiveReport(self.upstream_id, peer.checked_address, report.value, status)
        )
        if is_judged and report is not Report.SUCCESS:
            self._count_own_failure(peer, report)

    def _count_own_failure(self, peer: Peer, report: Report) -> None:
        """Leave a peer out at once when this worker alone has seen enough.

        The registry counts the same reports, but on a busy machine its word may take a tenth of a second, and
        a hundred requests would fail meanwhile.
        """
        count = peer.own_failures[report] = peer.own_failures.get(report, 0) + 1
        if count >= self._limits[report] and peer.available:
            peer.available, peer.is_suspect = False, True
            self._apply_readiness()
            asyncio.get_running_loop().call_later(SUSPICION_S, self._acquit, peer)

    def _acquit(self, peer: Peer) -> None:
        """Take a peer back that the registry has not judged: a probe may have cleared what it had counted."""
        if peer.is_suspect:
            self._set_peer_state(peer, peer.health, is_settled=True)
            self._apply_readiness()

    def _begin_trial(self, peer: Peer) -> None:
        peer.on_trial, peer.trial_runs = False, True
        self._apply_readiness()

    def _end_trial(self, peer: Peer, report: Report | None, status: int) -> None:
        """Tell that the one request was answered; a failure leaves all as it is."""
        peer.trial_runs = False
        if self.upstream_id is not None and report not in FAILURES:
            self._send_report(PassiveReport(self.upstream_id, peer.checked_address, TRIAL_PASSED, status))

    def sticky_cookie(self, key: bytes, peer: Peer) -> NewCookie | None:
        """Return the cookie that keeps the client at ``peer``, if sessions stick and ``key`` does not."""
        if self._sticky is None or peer.seat < 0 or not isinstance(self._picker, StickySessions):
            return None
        token = self._picker.token(peer.seat)
        name, path = self._sticky
        return None if token == key else set_cookie(name, token.decode(), path)

    # Why there is no peer.

    @property
    def waiting(self) -> asyncio.Future[None] | None:
        """A future that is done when the first resolution has come to something; None: nothing to wait for.

        It is shared by all who wait: add a callback or await it through ``asyncio.shield``, never cancel it.
        """
        if self._peers or self._lineup is None or not self._lineup.is_pending:
            return None
        if self._first_peers is None:
            self._first_peers = asyncio.get_running_loop().create_future()
        return self._first_peers

    @property
    def error(self) -> NoPeer:
        """Why the last ``pick`` gave nothing."""
        if self.upstream_id is not None or self._lineup is None or self._peers:
            return NoPeer.NO_AVAILABLE_PEER
        answer = self._lineup.members[0].answer
        return NoPeer.NAME_NOT_FOUND if answer is None or answer.missing else NoPeer.DNS_FAILED

    @property
    def error_detail(self) -> str:
        """The reason in the words of the log."""
        if self._lineup is not None and not self._peers:
            for member in self._lineup.members:
                if member.answer is not None and member.answer.error:
                    return f"{member.spec.host}: {member.answer.error}"
        return "no healthy peer" if self._peers else "no target with a weight above zero"

    # Configuration.

    def prepare_steps(self, setup: Setup) -> Generator[None, None, None]:
        """Begin with the next lineup; it is ready when the steps are done, and ``activate`` puts it into effect."""
        self.discard()
        staged = self._staged = Lineup(setup, self._names, self._peer)
        return staged.prepare_steps(self._picker)

    def activate(self) -> None:
        """Put the prepared lineup into effect."""
        if self._staged is None:
            return
        old, self._lineup, self._staged = self._lineup, self._staged, None
        if old is not None:
            old.close()
            for peer in old.peers:
                peer.seat = -1
        self._lineup.install(self._installed)

    def discard(self) -> None:
        """Forget the prepared lineup."""
        if self._staged is not None:
            self._staged.close()
            self._staged = None

    def close(self) -> None:
        """Stop watching names: nothing names this balancer any more. Exchanges in flight may still report."""
        self.discard()
        if self._lineup is not None:
            self._lineup.close()
            self._lineup = None
        if self._timer is not None:
            self._timer.cancel()
        self._release_waiting()

    @property
    def is_active(self) -> bool:
        """Whether a lineup is in effect."""
        return self._lineup is not None

    @property
    def members(self) -> Sequence[Member]:
        """The targets of the current lineup, for reports."""
        return self._lineup.members if self._lineup else ()

    @property
    def peers(self) -> list[Peer]:
        """Every peer of the current lineup, those of weight 0 too."""
        return [placement.peer for member in self.members for placement in member.placements]

    def configure(self, upstream: Upstream) -> None:
        """Take over what is not a matter of the lineup."""
        self.name = upstream.name
        self.hash_key = compile_hash_key(upstream)
        self._sticky = None
        if upstream.algorithm == "sticky-sessions" and upstream.sticky_sessions_cookie:
            self._sticky = (upstream.sticky_sessions_cookie, upstream.sticky_sessions_cookie_path)
        self._set_checks(upstream.healthchecks)
        self._set_retry(upstream.x_resilience.retry if upstream.x_resilience else None)
        self._readiness = Readiness(upstream)
        self._apply_readiness()

    def _set_retry(self, retry: Retry | None) -> None:
        if retry != self.retry:
            self.retry = retry
            self.retry_budget = RetryBudget(retry.budget if retry is not None else 0.0)

    def _set_checks(self, checks: Healthchecks) -> None:
        """Take over how requests count for health."""
        limits = passive_rules(checks).limits if is_checked(checks) else {}
        self._limits = {report: limit for report, limit in limits.items() if limit}
        self._status_reports = passive_reports(checks) if is_checked(checks) else {}

    def set_state(self, address: Address, state: str) -> None:
        """Take notice that an address is in another state now, or may be tried once."""
        for peer in self._known.values():
            if peer.checked_address == address:
                self._set_peer_state(peer, state)
        self._apply_readiness()

    def _set_peer_state(self, peer: Peer, state: str, *, is_settled: bool = False) -> None:
        if state == TRIAL:
            peer.on_trial = not peer.available
            return
        if is_settled or state in _SETTLED:
            peer.own_failures.clear()
            peer.is_suspect = False
        elif peer.is_suspect:
            peer.health = state  # The word on an earlier report; the one on the last is still to come.
            return
        was_available, peer.available = peer.available, is_available(state)
        peer.health = state
        peer.on_trial = peer.trial_runs = False
        if peer.available and not was_available and self._readiness.slow_start_s:
            peer.recovered_at_s = monotonic()

    def _apply_readiness(self) -> None:
        """Let the picker know what may be picked now; again after a while when that grows by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lineup, picker = self._lineup, self._picker
        if lineup is None or picker is None:
            return
        self._is_healthy, is_growing = self._readiness.apply(lineup.roster, self._peers, monotonic())
        picker.refresh()
        if is_growing:
            pause_s = self._readiness.slow_start_s / SLOW_START_STEPS
            self._timer = asyncio.get_running_loop().call_later(pause_s, self._apply_readiness)

    def _peer(self, peer_id: PeerId) -> Peer:
        peer = self._known.get(peer_id)
        if peer is None:
            peer = self._known[peer_id] = Peer(peer_id)
            peer.health = self._states.get(peer.checked_address, HEALTHY)
            peer.available = is_available(peer.health)
        return peer

    def _installed(self) -> None:
        """Take over the lineup's new plan."""
        lineup = self._lineup
        if lineup is None:
            return
        named = {placement.peer.id for member in lineup.members for placement in member.placements}
        if self._staged is None:
            for peer_id in self._known.keys() - named:
                self._known.pop(peer_id).seat = -1
        self._picker, self._peers = lineup.picker, lineup.peers
        self._wants_loads = lineup.picker is not None and lineup.picker.wants_loads
        self._apply_readiness()
        if self._peers or not lineup.is_pending:
            self._release_waiting()

    def _release_waiting(self) -> None:
        if self._first_peers is not None and not self._first_peers.done():
            self._first_peers.set_result(None)
        self._first_peers = None
