"""Replacing the file: whatever happens, it is the old one or the new one."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dbless_gateway.admin.changes import Change
from dbless_gateway.admin.failures import Failure
from dbless_gateway.runtime.report import ReloadReport
from dbless_gateway.server.configurations import Configurations
from dbless_gateway.server.loading import LOADER_MODULE, Configuration
from dbless_gateway.server.options import make_settings
from dbless_gateway.server.spawning import child_command
from dbless_gateway.server.writer import ATTEMPTS, ConfigurationWriter, replace_file
from tests.support.gateway import REPOSITORY

KILLS = 20
# Writes one of two long texts again and again, and says when it has begun.
WRITER = """
import sys
from pathlib import Path
from dbless_gateway.server.writer import replace_file
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


SERVED = '_format_version: "3.0"\nservices: [{name: a, host: a.test}]\n'


class HurriedNode:
    """Serves what it is given, just after somebody has edited the file, so many times."""

    def __init__(self, file: Path, edits: int) -> None:
        file.write_text(SERVED)
        settings = make_settings({"admin_write": "on"}, [str(file)], {}).settings
        assert settings is not None
        self.configurations = Configurations(settings, child_command(LOADER_MODULE))
        self.writer = ConfigurationWriter(self, settings)
        self._file, self._edits = file, edits
        self.asked = 0

    async def serve(self, supply: Callable[[], Configuration | None]) -> ReloadReport | None:
        self.asked += 1
        if self.asked <= self._edits:
            self._file.write_text(f"{SERVED}# edit {self.asked}\n")
        loaded = supply()
        return ReloadReport("reloaded", 0.0, "old", loaded.hash, 0.0) if loaded is not None else None

    def wrote(self, file: str, text: str) -> None:
        """Nothing watches the file here, so nobody need know whose writing it was."""


@pytest.mark.slow
def test_a_write_is_made_once_more_on_what_somebody_has_edited(tmp_path: Path) -> None:
    node = HurriedNode(tmp_path / "kong.yaml", edits=2)
    asyncio.run(node.writer.write(Change("PATCH", "services", "a", {"retries": 1})))
    text = (tmp_path / "kong.yaml").read_text()
    assert "# edit 2" in text
    assert "retries: 1" in text


@pytest.mark.slow
def test_somebody_who_edits_faster_than_we_write_wins(tmp_path: Path) -> None:
    node = HurriedNode(tmp_path / "kong.yaml", edits=ATTEMPTS)
    with pytest.raises(Failure) as refused:
        asyncio.run(node.writer.write(Change("PATCH", "services", "a", {"retries": 1})))
    assert refused.value.answer.status == 409
    assert node.asked == ATTEMPTS
    assert (tmp_path / "kong.yaml").read_text() == f"{SERVED}# edit {ATTEMPTS}\n"
