"""Reading: files, folders, standard input, and everything that can be wrong before there is a text."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dbless_gateway.config.source import Source, Text, read_sources

GOOD = "_format_version: '3.0'\n"


def _read(*sources: Source, max_bytes: int = 1000) -> list[object]:
    """Return the texts, and the codes of what could not be read."""
    return [item if isinstance(item, Text) else item[1].code for item in read_sources(sources, max_bytes)]


@pytest.mark.parametrize(
    ("name", "syntax"), [("a.yaml", "yaml"), ("a.YML", "yaml"), ("a.json", "json"), ("kong", "any")]
)
def test_the_name_says_the_syntax(tmp_path: Path, name: str, syntax: str) -> None:
    file = tmp_path / name
    file.write_text(GOOD)
    assert _read(Source(str(file))) == [Text(str(file), GOOD, syntax)]


def test_a_folder_is_walked_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.yaml", "a.json", "sub/c.yml", "README.md", "sub/notes.txt"):
        (tmp_path / name).write_text(GOOD)
    names = [item.name for item in _read(Source(str(tmp_path))) if isinstance(item, Text)]
    assert [str(Path(name).relative_to(tmp_path)) for name in names] == ["a.json", "b.yaml", "sub/c.yml"]


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "..2026_01_01").mkdir()
    (tmp_path / "..2026_01_01" / "kong.yaml").write_text(GOOD)
    (tmp_path / "..data").symlink_to("..2026_01_01")
    (tmp_path / "kong.yaml").symlink_to("..data/kong.yaml")
    (tmp_path / ".kong.yaml").write_text(GOOD)
    assert _read(Source(str(tmp_path))) == [Text(str(tmp_path / "kong.yaml"), GOOD, "yaml")]


def test_a_folder_below_a_hidden_one_is_read(tmp_path: Path) -> None:
    folder = tmp_path / ".config"
    folder.mkdir()
    (folder / "kong.yaml").write_text(GOOD)
    assert _read(Source(str(folder))) == [Text(str(folder / "kong.yaml"), GOOD, "yaml")]


def test_one_bad_source_does_not_hide_the_others(tmp_path: Path) -> None:
    good = Source("x", GOOD)
    assert _read(Source(str(tmp_path / "no.yaml")), good) == ["file/unreadable", Text("x", GOOD, "any")]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(GOOD.encode())))
    assert _read(Source("-")) == [Text("<stdin>", GOOD, "any")]


@pytest.mark.parametrize("source", [Source("x", "a" * 11), Source("x", b"a" * 11), Source("-")])
def test_every_kind_of_source_has_the_limit(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a" * 11)))
    assert _read(source, max_bytes=10) == ["file/size"]


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD)
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        """Let somebody append to the file right after it was looked at."""
        found = real(descriptor)
        with file.open("a") as other:
            other.write("#")
        return found

    monkeypatch.setattr(os, "fstat", fstat)
    assert _read(Source(str(file))) == ["file/changed"]


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.symlink_to(file)
    assert _read(Source(str(file))) == ["file/unreadable"]


def test_a_byte_order_mark_is_no_text() -> None:
    (text,) = _read(Source("x", b"\xef\xbb\xbf" + GOOD.encode()))
    assert isinstance(text, Text)
    assert text.text == GOOD
