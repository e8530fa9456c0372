"""Retries under conditions (``x_resilience.retry``): which answers are tried again, for how long, how often.

One ``Retrying`` belongs to an exchange whose upstream asks for it; other exchanges have none and pay for
none. It decides; the exchange acts. All of it ends when a response begins: what the client has seen of an
answer cannot be taken back.
"""

from __future__ import annotations

from dbless_gateway.config.entities import Retry
from dbless_gateway.runtime.retry_budget import RetryBudget

_NEVER = float("inf")


class Retrying:
    """The conditions, and what of them one exchange has used up. Times are the gateway's coarse clock."""

    __slots__ = ("_budget", "_ends_at", "_rules", "_try_ends_at")

    def __init__(self, rules: Retry, budget: RetryBudget, now_s: float) -> None:
        self._rules = rules
        self._budget = budget
        self._ends_at = now_s + rules.deadline if rules.deadline else _NEVER
        self._try_ends_at = _NEVER
        budget.earn()

    def begin_try(self, now_s: float) -> None:
        """Start the time of a try."""
        if self._rules.try_timeout:
            self._try_ends_at = now_s + self._rules.try_timeout

    def limit(self, deadline_s: float) -> float:
        """Return the deadline, or the try's or the exchange's when that comes first."""
        return min(deadline_s, self._try_ends_at, self._ends_at)

    def is_refused(self, status: int) -> bool:
        """Tell whether an answer with this status is not to be passed on while another try is possible."""
        return status in self._rules.statuses

    def takes(self, method: bytes) -> bool | None:
        """Tell whether requests of this method may be repeated; None: as without conditions."""
        methods = self._rules.methods
        return None if methods is None else method.decode("latin-1") in methods

    def may_try_again(self, now_s: float) -> bool:
        """Tell whether there is time and budget for another try, and take it out of the budget."""
        return now_s < self._ends_at and self._budget.spend()
