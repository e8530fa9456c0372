from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.runtime.retry_budget import RETRIES_HELD_MAX, RetryBudget


def test_without_a_share_there_is_no_limit() -> None:
    budget = RetryBudget()
    assert all(budget.spend() for _ in range(1000))


@given(st.floats(0.1, 100), st.integers(0, 2000))
def test_retries_are_never_more_than_their_share_and_the_reserve(percent: float, requests: int) -> None:
    budget = RetryBudget(percent)
    spent = 0
    for _ in range(requests):
        budget.earn()
        spent += budget.spend()
    assert spent <= requests * percent / 100 + RETRIES_HELD_MAX


def test_a_bucket_that_is_empty_fills_with_requests() -> None:
    budget = RetryBudget(percent=50)
    while budget.spend():
        pass
    budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.spend()
