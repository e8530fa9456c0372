"""Cells and histograms: what is counted where."""

from __future__ import annotations

import pytest

from dbless_gateway.runtime.metric_cells import Cell, Histogram


def test_a_cell_is_one_word() -> None:
    words = memoryview(bytearray(24)).cast("q")
    cell = Cell(words, 1)
    cell.add(2)
    cell.add(40)

    assert words.tolist() == [0, 42, 0]


@pytest.mark.parametrize(("value", "bucket"), [(0, 0), (1, 0), (2, 1), (5, 1), (6, 2), (1000, 2)])
def test_a_value_is_in_one_bucket(value: int, bucket: int) -> None:
    counts: dict[int, list[int]] = {}
    sums: list[list[int]] = []

    def make_sum() -> list[int]:
        sums.append([])
        return sums[-1]

    histogram = Histogram(
        (1, 5), lambda index: counts.setdefault(index, []).append, lambda: make_sum().append
    )
    assert (counts, sums) == ({}, []), "nothing is shown before it is measured"
    histogram.observe(value)
    histogram.observe(value)

    assert counts == {bucket: [1, 1]}
    assert sums == [[value, value]]
