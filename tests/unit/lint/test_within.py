"""Characters of a text in every way to write it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.config.document import ROOT
from dbless_gateway.config.json_positions import read_json
from dbless_gateway.config.positions import read_yaml
from dbless_gateway.lint.within import place_within


@pytest.mark.parametrize(
    ("written", "column", "line"),
    [
        ("abX", 6, 1),
        ("'a''bX'", 9, 1),
        (r'"a\"bX"', 9, 1),
        (r'"\x41\u0042\U00000043X"', 25, 1),
        ('"a\\\n  bX"', 4, 2),
        ("a\n  b\n\n\n  cX", 4, 5),
        ("'a\n  bX'", 4, 2),
        ("|\n  ab\n   cX\n", 5, 3),
        ("|-\n\n  abX\n", 5, 3),
        (">-\n  ab\n  cX\n", 4, 3),
        (">\n  ab\n\n  cX\n", 4, 4),
        ("!!str abX", None, None),
        ("&a abX", None, None),
    ],
)
def test_the_place_of_a_character(written: str, column: int | None, line: int | None) -> None:
    source = f"k: {written}"
    document, faults = read_yaml(source, "kong.yaml")
    assert faults == []

    found = place_within(source, document.locate(ROOT, ("k",)), document.value(ROOT, ("k",)).index("X"))

    assert (found and (found.column, found.line)) == (column and (column, line))


@given(st.text(alphabet='aé"\\/\n\t\x00😀 ', max_size=12))
def test_what_json_escapes_counts_once(text: str) -> None:
    source = '{"k": ' + json.dumps(text + "X", ensure_ascii=True) + "}"
    document, _ = read_json(source, "kong.json")
    found = place_within(source, document.locate(ROOT, ("k",)), len(text))

    assert found is not None
    assert source[found.column - 1] == "X"


def test_a_character_that_is_not_there() -> None:
    source = "k: ab"
    document, _ = read_yaml(source, "kong.yaml")

    assert place_within(source, document.locate(ROOT, ("k",)), 99) is None
