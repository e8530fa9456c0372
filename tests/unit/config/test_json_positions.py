"""JSON with places, and what is no JSON."""

from __future__ import annotations

import pytest

from dbless_gateway.config.document import ROOT, Span, plain
from dbless_gateway.config.faults import Fatal
from dbless_gateway.config.json_positions import read_json

TEXT = '{\n  "a": [1, "x\\n", {"b": -1.5e3}],\n  "c": null, "d": {}\n}\n'


def test_data_and_places() -> None:
    document, faults = read_json(TEXT, "f")
    assert faults == []
    assert plain(document.data) == {"a": [1, "x\n", {"b": -1500.0}], "c": None, "d": {}}
    assert document.locate(ROOT, ("a", 2, "b")) == Span(2, 25, 2, 31)
    assert document.locate(ROOT, ("a",), key=True) == Span(2, 3, 2, 6)
    assert document.locate(ROOT, ("d",)) == Span(3, 19, 3, 21)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[", "]", "[1,]", "[,]", "[1 2]", '{"a"}', '{"a":}', '{"a":1,}', "{a: 1}", "{1: 2}",
        '{"a" 1}', "01", "1.", ".5", "+1", "1e", "nul", "nulll", "True", "NaN", "Infinity", "'a'", '"a',
        '"\\q"', '"\\u12"', '"\t"', "1 2", "[] []", "{]", "[}", "/* a */ 1", '{"a": 1 "b": 2}', "[1:2]",
        "9" * 200, "1e999", '"\\udc00"',
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(Fatal) as caught:
        read_json(text, "f")
    assert caught.value.fault.code == "json/syntax"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), (' "a" ', "a"), ("[]", []), ("-0", 0), ('"\\ud83d\\ude00"', "😀")],
)
def test_accepted(text: str, value: object) -> None:
    assert plain(read_json(text, "f")[0].data) == value


def test_the_first_of_two_equal_keys_stays() -> None:
    document, faults = read_json('{"a": 1, "a": {"x": [1]}, "b": 2}', "f")
    assert document.data == {"a": 1, "b": 2}
    assert [fault.code for fault in faults] == ["yaml/duplicate-key"]
    assert document.locate(ROOT, ("b",)) == Span(1, 32, 1, 33)
