"""Replacing the file: whatever happens, it is the old one or the new one, and nothing is left beside it."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dbless_gateway.server.replacing import remove_leftovers, replace_file
from tests.support.gateway import REPOSITORY

KILLS = 20
# Writes one of two long texts again and again, and says when it has begun.
WRITER = """
import sys
from pathlib import Path
from dbless_gateway.server.replacing import replace_file
print("begun", flush=True)
while True:
    for letter in "ab":
        replace_file(Path(sys.argv[1]), letter * 200_000)
"""


def test_mode_and_symbolic_link_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    replace_file(link, "neü\r\n")
    assert real.read_bytes() == "neü\r\n".encode()
    assert real.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link.yaml", "real.yaml"]


def test_a_folder_that_cannot_be_written_to_leaves_everything(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("old")
    blocker = tmp_path / f".kong.yaml.{os.getpid()}.new"
    blocker.mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(file, "new")
    assert file.read_text() == "old"


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("a" * 200_000)
    chance = random.Random(7)
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(file)], cwd=REPOSITORY, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        # A moment within the first few writes; which one is left to chance.
        for _ in range(chance.randrange(200)):
            file.stat()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert file.read_text() in ("a" * 200_000, "b" * 200_000)
        remove_leftovers([str(file)])
        assert os.listdir(tmp_path) == ["kong.yaml"]


def test_only_what_replacing_the_named_files_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "teams"
    folder.mkdir()
    kept = [
        "kong.yaml",
        ".other.yaml.1.new",
        ".kong.yaml.x.new",
        ".kong.yaml.1.new.bak",
        "teams/a.yaml",
        "b.yaml",
    ]
    gone = [".kong.yaml.1.new", f".kong.yaml.{os.getpid()}.new", "teams/.a.yaml.7.new"]
    for name in kept + gone:
        (tmp_path / name).write_text("half of a te")
    # Of no file that is there, and so of nobody who is known.
    (folder / ".gone.yaml.7.new").write_text("")
    # Beside the file that the link points to, as replacing does.
    (tmp_path / "link.yaml").symlink_to("b.yaml")
    (tmp_path / ".b.yaml.3.new").write_text("")

    removed = remove_leftovers([str(tmp_path / name) for name in ("kong.yaml", "link.yaml", "teams")])

    assert sorted(removed) == sorted(str(tmp_path / name) for name in [*gone, ".b.yaml.3.new"])
    assert not any(map(os.path.exists, removed))
    assert all((tmp_path / name).is_file() for name in [*kept, "teams/.gone.yaml.7.new"])


def test_what_is_just_being_written_stays(tmp_path: Path) -> None:
    file, fresh = tmp_path / "kong.yaml", tmp_path / ".kong.yaml.1.new"
    file.write_text("old")
    with fresh.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert remove_leftovers([str(file)]) == []
    assert remove_leftovers([str(file)]) == [str(fresh)]


def test_what_cannot_be_removed_keeps_nobody_from_starting(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("old")
    (tmp_path / ".kong.yaml.1.new").mkdir()
    (tmp_path / ".kong.yaml.2.new").symlink_to("nowhere")

    assert remove_leftovers([str(file), "-", str(tmp_path / "missing" / "kong.yaml")]) == []
