"""Cells stand below each other, and cannot paint the terminal."""

from __future__ import annotations

from dbless_gateway.cli.columns import columns


def test_cells_are_aligned() -> None:
    assert columns([["a", "b"], ["long", "", "c"], ["x"]], "- ") == ["- a     b", "- long     c", "- x"]


def test_a_very_long_cell_pushes_only_its_own_line() -> None:
    short, long = columns([["a", "b"], ["x" * 200, "b"]])

    assert short == "a" + " " * 49 + "b"
    assert long == "x" * 200 + "  b"


def test_control_characters_are_escaped() -> None:
    assert columns([["\x1b[31m", "b"]]) == [r"\x1b[31m  b"]


def test_nothing() -> None:
    assert columns([]) == []
