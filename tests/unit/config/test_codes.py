"""The table of codes: every code that is used has a row, and every row is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dbless_gateway
from dbless_gateway.config.codes import CODES, ERROR, WARNING

SOURCES = [
    path.read_text() for path in Path(dbless_gateway.__file__).parent.rglob("*.py") if path.name != "codes.py"
]
USED = {
    match
    for text in SOURCES
    for match in re.findall(r'"([a-z]+/[a-z-]+)"', text)
    if match.split("/")[0] in {code.split("/")[0] for code in CODES}
}


def test_every_code_in_the_sources_has_a_row() -> None:
    assert set(CODES) >= USED


@pytest.mark.parametrize("code", CODES)
def test_rows(code: str) -> None:
    row = CODES[code]
    assert row.severity in {ERROR, WARNING}
    assert row.title
    assert row.explanation.endswith((".", "`"))
    assert code in USED
