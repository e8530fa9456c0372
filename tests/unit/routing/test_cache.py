"""The bounded memory of decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.routing.cache import Decisions, generation_for


@given(st.integers(1, 5), st.lists(st.integers(0, 12)))
def test_it_forgets_but_never_lies(capacity: int, keys: list[int]) -> None:
    decisions: Decisions[str] = Decisions(capacity)
    for key in keys:
        found = decisions.get(key)
        if found is None:
            decisions.put(key, str(key))

        assert decisions.get(key) == str(key)
        assert len(decisions) <= 2 * capacity


def test_what_is_asked_for_stays() -> None:
    decisions: Decisions[str] = Decisions(2)
    decisions.put("kept", "kept")
    for key in range(20):
        assert decisions.get("kept") == "kept"
        decisions.put(key, "other")

    assert decisions.get(0) is None


def test_dispose() -> None:
    decisions: Decisions[int] = Decisions()
    for key in range(5000):
        decisions.put(key, key)

    assert sum(1 for _ in decisions.dispose_steps()) > 10
    assert len(decisions) == 0


@pytest.mark.parametrize(("rules", "size"), [(0, 4096), (4096, 4096), (10_000, 10_000), (100_000, 16_384)])
def test_a_generation_holds_the_table_within_limits(rules: int, size: int) -> None:
    assert generation_for(rules) == size
