"""name:value entries."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.entries import check_header_name, parse_entries
from dbless_gateway.pdk.plugin import ConfigError


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a:b", "a", "b"),
        ("a", "a", ""),
        ("a: b:c ", "a", " b:c "),
        ("a:::b", "a", "b"),
        ("a:1\n2", "a", "1\n2"),
    ],
)
def test_parse(text: str, name: str, value: str) -> None:
    assert list(parse_entries("add.headers", [text])) == [("add.headers[0]", name, value)]


@pytest.mark.parametrize("text", ["", ":a"])
def test_an_entry_has_a_name(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(parse_entries("add.headers", ["ok:1", text]))

    assert (caught.value.field, caught.value.message) == ("add.headers[1]", f"invalid value: {text}")


def test_header_names() -> None:
    check_header_name("f", "X-Good_1")
    with pytest.raises(ConfigError, match="'a b' is not a valid header"):
        check_header_name("f", "a b")
