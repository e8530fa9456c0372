"""A file is replaced at once, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbless_gateway.cli.files import replace_text


def test_new_file(tmp_path: Path) -> None:
    replace_text(tmp_path / "new.yaml", "é\r\n")

    assert (tmp_path / "new.yaml").read_bytes() == "é\r\n".encode()
    assert (tmp_path / "new.yaml").stat().st_mode & 0o777 == 0o644


def test_permissions_stay(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("old")
    file.chmod(0o600)
    replace_text(file, "new")

    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("old")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    replace_text(tmp_path / "link.yaml", "new")

    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "new"


def test_nothing_is_left_after_a_failure(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_text(tmp_path / "folder", "text")

    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
