"""Writes that meet edits by hand."""

from __future__ import annotations

import asyncio
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
from dbless_gateway.server.writer import ATTEMPTS, ConfigurationWriter

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
