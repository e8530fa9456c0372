"""YAML with places: spans of keys and values, aliases, merges, limits."""

from __future__ import annotations

import pytest

from dbless_gateway.config import positions
from dbless_gateway.config.document import ROOT, Document, Span
from dbless_gateway.config.faults import Fatal
from dbless_gateway.config.positions import read_yaml

TEXT = """\
a: &x
  b: 1
  c: [one, 'two', {d: 3}]
e:
  <<: *x
  f: |
    text
    more
  b: 2
g: *x
é: ü
"""


def _read(text: str = TEXT) -> Document:
    document, faults = read_yaml(text, "f.yaml")
    assert faults == []
    return document


@pytest.mark.parametrize(
    ("path", "key", "span"),
    [
        (("a",), True, Span(1, 1, 1, 2)),
        (("a", "b"), True, Span(2, 3, 2, 4)),
        (("a", "b"), False, Span(2, 6, 2, 7)),
        (("a", "c"), False, Span(3, 6, 3, 26)),
        (("a", "c", 1), False, Span(3, 12, 3, 17)),
        (("a", "c", 2, "d"), False, Span(3, 23, 3, 24)),
        (("e", "f"), True, Span(6, 3, 6, 4)),
        (("e", "b"), False, Span(9, 6, 9, 7)),
        # Merged: where it was written.
        (("e", "c", 0), False, Span(3, 7, 3, 10)),
        # Through an alias.
        (("g", "b"), False, Span(2, 6, 2, 7)),
        (("g",), False, Span(10, 4, 10, 6)),
        (("é",), False, Span(11, 4, 11, 5)),
        # Not there: the nearest thing that is.
        (("a", "none", "x"), False, Span(1, 4, 1, 5)),
        (("none",), False, Span(1, 1, 1, 2)),
        (("a", "c", 9), False, Span(3, 6, 3, 26)),
    ],
)
def test_places(path: tuple[str | int, ...], key: bool, span: Span) -> None:
    document = _read()
    assert document.locate(ROOT, path, key=key) == span


def test_where_of_a_container() -> None:
    document = _read("- x\n- {a: b}\n")
    assert tuple(document.where(document.find(ROOT, (1,)) or ROOT)) == ("f.yaml", 2, 3)


def test_the_first_of_two_equal_keys_stays_and_later_keys_keep_their_places() -> None:
    document, faults = read_yaml("a: 1\na: {x: [1, 2]}\nb: 3\n", "f")
    assert document.data == {"a": 1, "b": 3}
    assert [fault.code for fault in faults] == ["yaml/duplicate-key"]
    assert document.locate(ROOT, ("b",)) == Span(3, 4, 3, 5)


def test_an_alias_may_be_a_key() -> None:
    assert _read("- &k name\n- *k : x\n").data == ["name", {"name": "x"}]


def test_an_empty_stream_is_null() -> None:
    assert _read("# nothing\n").data is None


def test_scalars_with_anchors() -> None:
    assert _read("a: &v 5\nb: *v\n").data == {"a": 5, "b": 5}


def test_the_same_anchor_may_be_given_again() -> None:
    assert _read("[&a 1, *a, &a 2, *a]").data == [1, 1, 2, 2]


def test_expansion_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "MAX_NODES", 30)
    text = "- &a [1, 2, 3]\n- &b [*a, *a]\n- [*b, *b]\n"
    with pytest.raises(Fatal) as caught:
        read_yaml(text, "f")
    assert caught.value.fault.code == "yaml/alias-expansion"


def test_nesting_has_a_limit() -> None:
    assert _read("[" * positions.MAX_DEPTH + "]" * positions.MAX_DEPTH).data
    with pytest.raises(Fatal) as caught:
        read_yaml("[" * (positions.MAX_DEPTH + 1), "f")
    assert caught.value.fault.code == "yaml/nesting"


def test_aliases_cannot_nest_deeper_than_text() -> None:
    links = [f"- &a{n} [*a{n - 1}]" for n in range(1, 200)]
    with pytest.raises(Fatal) as caught:
        read_yaml("\n".join(["- &a0 [x]", *links]), "f")
    assert caught.value.fault.code == "yaml/nesting"
    read_yaml("\n".join(["- &a0 [x]", *links[: positions.MAX_DEPTH - 2]]), "f")
    with pytest.raises(Fatal):
        read_yaml("\n".join(["- &a0 [x]", *links[: positions.MAX_DEPTH - 1]]), "f")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a:\n\t- b", "indent with spaces, not with tabs"),
        ("a: @b", "a text that begins with this character needs quotes"),
        ("a: b: c", "a text with a colon and a space in it needs quotes; or the indentation is wrong"),
        ("a: 1\nb\nc: 2", "a colon and a space must follow a key"),
        ("a: 1\n b: 2", "a text with a colon and a space in it needs quotes; or the indentation is wrong"),
        ("- a\nb: 1", "check the indentation"),
        ("a: [b, c", "a comma is missing, or a text with a bracket or brace in it needs quotes"),
        ("a: 'b", "a quote, bracket or brace is not closed"),
        ("a: {{ b }}", "write the text in quotes"),
    ],
)
def test_common_mistakes_get_a_hint(text: str, hint: str) -> None:
    with pytest.raises(Fatal) as caught:
        read_yaml(text, "f")
    assert caught.value.fault.suggestion == hint
