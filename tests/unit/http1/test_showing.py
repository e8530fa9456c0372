"""Header lines and texts as JSON: names, lists, secrets, and what is not Unicode."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbless_gateway.http1 import showing
from dbless_gateway.http1.showing import HeaderTexts, quoted, to_json


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        (b"", {}),
        (b"\r\nHost: a.test\r\nX-Empty:", {"host": "a.test", "x-empty": ""}),
        (b"\r\nX-A:\t 1 \t", {"x-a": "1"}),
        (b"\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\nX-A: 4", {"x-a": ["1", "3", "4"], "x-b": "2"}),
        (b'\r\nX-A: "a\\b"\tc', {"x-a": '"a\\b"\tc'}),
        (b"\r\nX-A: \xe4\x01", {"x-a": "\xe4\x01"}),
        (b"\r\nX_A: 1\r\nX-A: 2", {"x_a": "1", "x-a": "2"}),
        (b"\r\nToken: 1\r\nToken: 2\r\nTokens: 3", {"token": ["REDACTED"] * 2, "tokens": "3"}),
        (b"\r\nmy_key: 1\r\nMY-KEY: 2", {"my_key": "REDACTED", "my-key": "REDACTED"}),
        (b"\r\nX-A: " + b'"' * 20_000, {"x-a": '"' * 20_000}),
        (b"".join(b"\r\nX-%d: %d" % (n, n) for n in range(100)), {f"x-{n}": str(n) for n in range(100)}),
    ],
)
def test_lines(block: bytes, shown: dict[str, Any]) -> None:
    assert json.loads(HeaderTexts(["Token", "my_key"]).text(block)) == shown


def test_the_memory_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "_showing", None)
    monkeypatch.setattr(showing, "_REMEMBERED_NAMES", 2)
    block = b"".join(b"\r\nX-%d: %d" % (n % 4, n) for n in range(8))

    assert json.loads(HeaderTexts([]).text(block)) == {f"x-{n}": [str(n), str(n + 4)] for n in range(4)}


@pytest.mark.parametrize(
    "text", ["", "/a?b=c", 'a"b', "a\\b", "a\tb\nc\0", "\x7f", "\xe4", "\u20ac", "\udcff"]
)
def test_texts(text: str) -> None:
    assert json.loads(quoted(text)) == text
    assert json.loads(to_json({"text": text})) == {"text": text}
