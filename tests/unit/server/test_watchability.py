from __future__ import annotations

from pathlib import Path

import pytest

from dbless_gateway.server.watchability import Mount, read_mounts, visibility

ROOT = Mount("/", "overlay")


def test_mounts_are_read_with_their_spaces(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(
        "22 1 0:20 / / rw,relatime shared:1 - overlay overlay rw\n"
        "30 22 8:1 /a /con\\040fig/kong.yaml rw - ext4 /dev/sda1 rw\n"
        "31 22 0:44 / /share rw - fuse.glusterfs server rw\n"
        "not a line\n"
    )
    mounts = read_mounts(str(file))
    assert mounts == (ROOT, Mount("/con fig/kong.yaml", "ext4"), Mount("/share", "glusterfs"))


def test_a_kernel_that_does_not_tell_is_no_obstacle(tmp_path: Path) -> None:
    assert read_mounts(str(tmp_path / "none")) == ()


@pytest.mark.parametrize(
    ("at", "kind", "level", "text"),
    [
        ("kong.yaml", "ext4", "fail", "is a mount of its own"),
        (".", "ext4", "ok", "changes are seen at once"),
        (".", "nfs4", "note", "lies on nfs4"),
    ],
)
def test_mounts_decide(tmp_path: Path, at: str, kind: str, level: str, text: str) -> None:
    file = tmp_path / "kong.yaml"
    file.touch()
    found = visibility(str(file), (ROOT, Mount(str(tmp_path / at), kind)))
    assert found.level == level
    assert text in found.text


def test_a_mounted_folder_of_files_is_no_single_file(tmp_path: Path) -> None:
    assert visibility(str(tmp_path), (ROOT, Mount(str(tmp_path), "ext4"))).level == "ok"


def test_a_config_map_is_seen_through_its_link(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "kong.yaml").touch()
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "kong.yaml").symlink_to("..data/kong.yaml")
    found = visibility(str(tmp_path / "kong.yaml"), (ROOT,))
    assert found.level == "ok"
    assert "..2026/kong.yaml" in found.text


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert visibility(str(tmp_path / "none"), ()) == ("fail", "does not exist")
