"""Emptying containers piece by piece."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.routing.slices import empty_steps


@pytest.mark.parametrize("items", [list(range(10)), dict.fromkeys(range(10))])
def test_slices(items: list[Any] | dict[Any, Any]) -> None:
    sizes = [len(items) for _ in empty_steps(items, slice_size=4)]

    assert sizes[:2] == [6, 2]
    assert not items


def test_a_small_one_goes_at_once() -> None:
    items = [1, 2]

    assert list(empty_steps(items)) == []
    assert items == []
