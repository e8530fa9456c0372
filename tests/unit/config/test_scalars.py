"""Plain scalars, against Kong's reading of YAML 1.1."""

from __future__ import annotations

import pytest

from dbless_gateway.config.scalars import is_surprising, resolve

READINGS: list[tuple[str, object]] = [
    ("", None),
    ("~", None),
    ("null", None),
    ("Null", None),
    ("NULL", None),
    ("nULL", "nULL"),
    ("true", True),
    ("Yes", True),
    ("ON", True),
    ("off", False),
    ("No", False),
    ("y", "y"),
    ("n", "n"),
    ("oN", "oN"),
    ("0", 0),
    ("12", 12),
    ("-12", -12),
    ("+12", 12),
    ("1_000", 1000),
    ("_1", "_1"),
    ("010", 8),
    ("-010", -8),
    ("08", "08"),
    ("0x1F", 31),
    ("0xg", "0xg"),
    ("0b101", 5),
    ("0b", "0b"),
    ("1:30", 90),
    ("-1:30", -90),
    ("1:30.5", 90.5),
    ("1:60", "1:60"),
    ("0:30", "0:30"),
    ("0:30.5", 30.5),
    ("190:20:30", 685230),
    ("1.5", 1.5),
    ("1.", 1.0),
    (".5", 0.5),
    (".", "."),
    ("-", "-"),
    ("1e3", 1000.0),
    ("1.5e-3", 0.0015),
    ("1e", "1e"),
    ("123e4", 1230000.0),
    (".inf", ".inf"),
    ("-.Inf", "-.Inf"),
    (".nan", ".nan"),
    ("1e999", "1e999"),
    ("3.0", 3.0),
    ("1.2.3", "1.2.3"),
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.1:80", "127.0.0.1:80"),
    ("2001-12-14", "2001-12-14"),
    ("text", "text"),
    ("1" * 129, "1" * 129),
    ("²", "²"),
]


@pytest.mark.parametrize(("text", "value"), READINGS)
def test_readings(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(("text", "surprising"), [("on", True), ("010", True), ("1:30", True), ("true", False), ("10", False), ("0", False)])  # fmt: skip  # noqa: E501
def test_surprises(text: str, surprising: bool) -> None:
    assert is_surprising(text) is surprising
