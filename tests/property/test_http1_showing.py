"""The compiled writing of header lines says what the other one does, whatever the bytes are, or leaves it to that."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.http1 import showing
from tests.support.compiled import built

compiled: Any = built("dbless_gateway.http1._showing")

NAMES = st.sampled_from(["Host", "host", "X-A", "x_a", "X_A", "X-Secret", "x_secret", "X-Secrets", "Y"])
VALUES = st.text('a b"\\\t\xe4/:', max_size=8)
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=5).map(
    lambda lines: "".join(f"\r\n{name}:{value}" for name, value in lines).encode("latin-1")
)


def written(block: bytes, extension: Any) -> Any:
    with patch.object(showing, "_showing", extension):
        return json.loads(showing.HeaderTexts(["x-secret"]).text(block))


@given(LINES)
def test_lines(block: bytes) -> None:
    assert written(block, compiled) == written(block, None)


@given(LINES)
def test_only_repeated_names_are_left_to_the_other(block: bytes) -> None:
    names = [line.partition(b":")[0].lower() for line in block.split(b"\r\n")[1:]]

    assert (compiled.object(block, ()) is None) == (len(set(names)) < len(names))


@given(st.binary(max_size=60) | st.lists(st.sampled_from([b"\r\n", b":", b"a", b'"', b"\r"])).map(b"".join))
def test_any_bytes(block: bytes) -> None:
    found = compiled.object(block, (b"a", b"host"))

    assert found is None or isinstance(json.loads(found), dict)


@given(st.text() | st.text("ab/?", max_size=9))
def test_texts(text: str) -> None:
    found = compiled.quoted(text)

    assert found is None or (found == json.dumps(text))
