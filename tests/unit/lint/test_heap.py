"""Giving memory back to the kernel, and doing without where that cannot be asked for."""

from __future__ import annotations

import ctypes

import pytest

from dbless_gateway.lint.heap import give_back_freed
from tests.support.findings import judged

ROUTE = "      - {{name: r{0}, paths: [/p{0}/]}}\n"


def test_a_large_file_is_judged_like_a_small_one() -> None:
    head = "services:\n  - name: s\n    host: h\n    routes:\n"
    small = head + ROUTE.format(1)
    large = head + "".join(ROUTE.format(number) for number in range(2_000)) + "#" * 1_000_000

    assert judged(large).problems == judged(small).problems == []


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())

    give_back_freed()
