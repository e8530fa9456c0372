"""A document without a reader's help: what can be asked of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.config.document import COLUMN_MASK, ROOT, Document, Span, plain
from dbless_gateway.config.positions import read_yaml

TEXT = """\
base: &base
  a: 1
  list: [x, {y: z}]
more:
  <<: *base
  a: 2
  a: 3
again: *base
"""


def _document(text: str = TEXT) -> Document:
    return read_yaml(text, "f.yaml")[0]


def test_data_is_built_with_merges_and_without_what_is_left_out() -> None:
    document = _document()
    base = {"a": 1, "list": ["x", {"y": "z"}]}

    assert document.data == {"base": base, "more": {"a": 2, "list": base["list"]}, "again": base}
    assert document.build(ROOT, {"base", "again"}) == {"more": {"a": 2, "list": base["list"]}}
    assert plain(document.build(document.find(ROOT, ("more",)) or ROOT, {"list"})) == {"a": 2}


def test_what_an_alias_repeats_is_one_object() -> None:
    data = _document().data

    assert data["again"] is data["base"]
    assert data["more"]["list"] is data["base"]["list"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("more", "a"), 2),
        (("more", "list", 1, "y"), "z"),
        (("again", "list", 0), "x"),
        (("again", "list", 2), None),
        (("again", "list", -1), None),
        (("again", "none"), None),
        (("base", "a", "none"), None),
        (("base", 0), None),
    ],
)
def test_values_are_found_without_building_the_rest(path: tuple[str | int, ...], value: object) -> None:
    document = _document()

    assert document.value(ROOT, path) == value
    assert document.has(ROOT, path) is (value is not None)


def test_a_missing_value_has_a_default() -> None:
    assert _document().value(ROOT, ("none",), "default") == "default"


def test_some_finds_the_given_keys_own_ones_before_merged_ones() -> None:
    document = _document()
    more = document.find(ROOT, ("more",))
    assert more is not None
    found = document.some(more, {"a", "list", "none"})

    assert {name: plain(document.build(node)) for name, node in found.items()} == {
        "a": 2,
        "list": ["x", {"y": "z"}],
    }


def test_of_several_merged_mappings_the_earlier_wins() -> None:
    document = _document("a: &a {k: 1}\nb: &b {k: 2, l: 3}\nc: {<<: [*a, *b]}\n")
    node = document.find(ROOT, ("c",))
    assert node is not None

    assert document.build(node) == {"k": 1, "l": 3}
    assert [document.build(found) for found in document.some(node, {"k"}).values()] == [1]


def test_a_document_of_nothing() -> None:
    document = _document("# nothing\n")

    assert document.data is None
    assert not document.is_mapping()
    assert document.locate(ROOT, ("a",)) == Span(1, 1, 1, 1)


@given(st.text(alphabet="a\n\r\x85\u2028é😀", max_size=20), st.integers(0, 20))
def test_places_count_the_line_ends_of_yaml(text: str, offset: int) -> None:
    offset = min(offset, len(text))
    before = text[:offset].replace("\r\n", "\n")
    if text[offset - 1 : offset + 1] == "\r\n" and offset:
        # Between the two characters of one line end the line has not ended.
        before = before[:-1] + "a"
    lines = before.replace("\r", "\n").replace("\x85", "\n").replace("\u2028", "\n").split("\n")
    place = Document("f", text).place(offset)

    assert (place >> 32, place & COLUMN_MASK) == (len(lines) - 1, offset - _start(text, offset))


def _start(text: str, offset: int) -> int:
    """Return where the line of an offset begins."""
    for at in range(offset, 0, -1):
        if text[at - 1] in "\n\x85\u2028" or (text[at - 1] == "\r" and text[at : at + 1] != "\n"):
            return at
    return 0
