"""One layout; comments, order, quotes and meaning stay."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from dbless_gateway.cli.main import main
from dbless_gateway.config.edit import data_of, reformat
from tests.support.gateway import REPOSITORY

FILES = sorted(
    path
    for path in (REPOSITORY / "tests" / "compat" / "files").rglob("*")
    if path.suffix in {".yaml", ".yml", ".json"}
)

BEFORE = """\
# About the file.
_format_version:   "3.0"

_ignore:
- &t {a:   1}   # an anchor
services:
-   name:    users # the name
    <<: *t
    enabled: yes
    port: 0x50

    # Before the routes.
    tags: ['x',   "y"]
    path:
"""
AFTER = """\
# About the file.
_format_version: "3.0"

_ignore:
  - &t {a: 1}   # an anchor
services:
  - name: users    # the name
    <<: *t
    enabled: yes
    port: 0x50

    # Before the routes.
    tags: ['x', "y"]
    path:
"""


def test_layout() -> None:
    assert reformat(BEFORE, is_json=False) == AFTER
    assert reformat(AFTER, is_json=False) == AFTER


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_real_files_keep_their_meaning_and_comments(file: Path) -> None:
    text = file.read_text()
    is_json = file.suffix == ".json"
    after = reformat(text, is_json=is_json)

    assert data_of(after, is_json=is_json) == data_of(text, is_json=is_json)
    assert reformat(after, is_json=is_json) == after
    assert after.count("#") == text.count("#")


def test_in_place_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(BEFORE)

    assert main(["fmt", "--check", str(file)]) == 1
    assert file.read_text() == BEFORE
    assert main(["fmt", str(file)]) == 0
    assert file.read_text() == AFTER
    assert main(["fmt", "--check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: not formatted\n{file}: formatted\n"


def test_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(BEFORE, encoding="utf-8-sig")

    assert main(["fmt", str(file)]) == 0
    assert file.read_bytes() == AFTER.encode()


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"a":[1,2]}'))

    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr().out == '{\n  "a": [\n    1,\n    2\n  ]\n}\n'


@pytest.mark.parametrize(
    "text", ["a: [", "a: 1\na: 2\n", "a: 1\n---\nb: 2\n", "a: !x 1\n- b", "\0", "", "a: *b"]
)
def test_what_cannot_be_rewritten_stays(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(text)
    code = main(["fmt", str(file)])

    assert code in {0, 2}
    if code == 2:
        assert capsys.readouterr().err.startswith(f"dbless-gateway fmt: {file}: ")
        assert file.read_text() == text


def test_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fmt", "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err
