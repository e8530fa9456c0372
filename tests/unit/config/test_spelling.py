"""The name that somebody meant."""

from __future__ import annotations

import pytest

from dbless_gateway.config.spelling import closest


@pytest.mark.parametrize(
    ("name", "expected"),
    [("read_timeot", "read_timeout"), ("write_timeuot", "write_timeout"), ("zzz", None), ("", None)],
)
def test_closest(name: str, expected: str | None) -> None:
    assert closest(name, iter(["read_timeout", "write_timeout"]), 0.7) == expected
