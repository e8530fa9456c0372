"""What handlers borrow is remembered by name; ``test_belongings.py`` tells what becomes of it."""

from __future__ import annotations

from dbless_gateway.snapshot.loans import Loan
from tests.support.plugin_context import FakeHost


def test_loan_is_a_host_of_its_own() -> None:
    host = FakeHost()
    loan = Loan(host, {})
    assert (loan.node_id, loan.version, loan.now()) == (host.node_id, host.version, host.clock)
    assert loan.counters is host.counters
    assert loan.cache is host.cache
    assert loan.metrics is host.metrics
    assert loan.secret("x") == host.secret("x")
    assert not loan.is_used


def test_names_are_passed_on() -> None:
    async def send(entries: object) -> None:
        """Nothing is sent here."""

    host = FakeHost()
    before, after = Loan(host, 1), Loan(host, 1)
    thing = before.resource("x", object)
    before.queue("q", {}, send)

    before.pass_to(after)
    before.end()

    assert (before.is_used, after.is_used, after.queues) == (False, True, frozenset({"q"}))
    assert after.resource("x", list) is thing
