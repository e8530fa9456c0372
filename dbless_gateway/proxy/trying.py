"""The tries of an exchange: whom it asks, what that peer is told of it, and whether another may be asked.

Part of the exchange, which inherits this; it decides and keeps the books, the exchange acts. A peer is left
exactly once, with what it has earned: a status and a time, or blame.
"""

from __future__ import annotations

from typing import Final

from dbless_gateway.config.entities import Retry
from dbless_gateway.proxy import failures
from dbless_gateway.proxy.context import ExchangeContext
from dbless_gateway.proxy.failures import Failure, Lesson
from dbless_gateway.proxy.retrying import Retrying
from dbless_gateway.runtime.balancer import Balancer
from dbless_gateway.runtime.peer import Peer

# Sending these twice may do something twice (nginx's proxy_next_upstream rule).
_NOT_IDEMPOTENT: Final = frozenset((b"POST", b"LOCK", b"PATCH"))


class Trying(ExchangeContext):
    """See the module."""

    __slots__ = ("balancer", "peer", "retrying", "tried", "tries_left")

    # Set by Exchange.
    balancer: Balancer | None
    peer: Peer | None
    retrying: Retrying | None  # only where the upstream has conditions of its own
    tried: tuple[Peer, ...]
    tries_left: int

    def begin_try(self, rules: Retry, balancer: Balancer) -> None:
        """Start a try under the upstream's conditions."""
        if self.retrying is None:
            self.retrying = Retrying(rules, balancer.retry_budget, self.gateway.now)
        self.retrying.begin_try(self.gateway.now)

    def may_try_again(self, failure: Failure) -> bool:
        """Tell whether there may be another try; one that the conditions grant counts as used."""
        if self.tries_left <= 0 or not self.may_repeat(failure):
            return False
        return self.retrying is None or self.retrying.may_try_again(self.gateway.now)

    def may_repeat(self, failure: Failure) -> bool:
        """Tell whether the request can be sent once more without harm."""
        if failure is failures.CONNECT_FAILED or failure is failures.CONNECT_TIMEOUT:
            return self.upload is None or self.upload.is_replayable
        taken = self.retrying.takes(self.head.method) if self.retrying is not None else None
        if taken is False or (taken is None and self.head.method in _NOT_IDEMPOTENT):
            return False
        return self.upload is None or self.upload.is_replayable

    def blame_peer(self, failure: Failure) -> None:
        """Leave the peer, whose fault it was; a status that it sent before counts for nothing."""
        peer, balancer = self.peer, self.balancer
        if peer is None or balancer is None:
            return
        balancer.ended(peer, None)
        if failure.lesson is Lesson.TIMEOUT:
            balancer.report_timeout(peer)
        elif failure.lesson is Lesson.TCP:
            balancer.report_tcp_failure(peer)
        self.peer = None

    def leave_peer(self) -> None:
        """Tell the balancer that the peer has one request less, and how and how fast it answered."""
        peer, balancer, status = self.peer, self.balancer, self.upstream_status
        if peer is None or balancer is None:
            return
        self.peer = None
        if status is None:
            balancer.ended(peer, None)
        else:
            balancer.report_status(peer, status)
            balancer.ended(peer, self.answered_at - self.sent_at)
