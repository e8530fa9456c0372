"""Every code is explained; an unknown one is refused with a guess."""

from __future__ import annotations

import pytest

from dbless_gateway.cli.main import main
from dbless_gateway.config.codes import CODES


def test_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "schema/type"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("error[schema/type]: A value of the wrong type\n\n")


def test_all_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(CODES)


def test_unknown_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "schema/typ"]) == 2
    assert "did you mean schema/type?" in capsys.readouterr().err


@pytest.mark.parametrize("code", CODES)
def test_every_code_says_something(code: str) -> None:
    row = CODES[code]
    assert row.severity in {"error", "warning"}
    assert row.title[0].isupper() or row.title[0] == "`"
    assert row.explanation.endswith((".", "`."))
