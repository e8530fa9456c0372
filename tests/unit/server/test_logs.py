from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator

import pytest

from dbless_gateway.server import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("dbless_gateway")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    stream = io.StringIO()
    yield stream
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def test_a_line_has_time_level_process_event_and_fields(lines: io.StringIO) -> None:
    logs.configure("notice", lines)
    logs.event(logging.getLogger("dbless_gateway.x"), "notice", "started", workers=2, took_ms=1.26)
    pattern = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[notice\] (\d+): started workers=2 took_ms=1\.3\n"
    match = re.fullmatch(pattern, lines.getvalue())
    assert match is not None
    assert int(match[1]) == os.getpid()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("", '""'),
        ('a"b', '"a\\"b"'),
        ("line\nbreak\r", '"line\\nbreak\\r"'),
        (None, "None"),
    ],
)
def test_values_cannot_forge_lines(lines: io.StringIO, value: object, written: str) -> None:
    logs.configure("info", lines)
    logs.event(logging.getLogger("dbless_gateway"), "error", "x", key=value)
    assert lines.getvalue().endswith(f"x key={written}\n")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"]),
        ("notice", ["notice", "warn", "error", "crit", "alert", "emerg"]),
        ("alert", ["alert", "emerg"]),
    ],
)
def test_levels_are_those_of_syslog(lines: io.StringIO, level: str, shown: list[str]) -> None:
    logs.configure(level, lines)
    for name in ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"):
        logs.say(name, "text")
    assert re.findall(r"\[(\w+)\]", lines.getvalue()) == shown


def test_an_exception_comes_with_its_traceback(lines: io.StringIO) -> None:
    logs.configure("notice", lines)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("dbless_gateway").exception("failed")
    assert "[error]" in lines.getvalue()
    assert lines.getvalue().endswith("ValueError: why\n")
