"""Configurations that come from the Admin API: changes of the file, and texts that are served instead of it.

A write is: the change in the document, the same checks as for a file (both in an editor process), the file
replaced in one step, all workers moved. Writers come one after the other. Between the reading and the
replacing somebody may have edited the file: then nothing is replaced, and the change is made once more on
what the file says now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from dbless_gateway.admin.changes import Change, Edit, Written
from dbless_gateway.admin.failures import Failure, plain
from dbless_gateway.config.problems import Problem
from dbless_gateway.runtime.report import ReloadReport
from dbless_gateway.server import logs
from dbless_gateway.server.configurations import Configurations
from dbless_gateway.server.editing import EditorProcess
from dbless_gateway.server.editor import EditRequest
from dbless_gateway.server.loading import Configuration, LoaderFailed
from dbless_gateway.server.options import ServerSettings
from dbless_gateway.server.replacing import replace_file

_log = logging.getLogger(__name__)

# What a text without a file is called in its problems.
TEXT_NAME = "<config>"

# Somebody who edits the file faster than this many writes can be made on it wins.
ATTEMPTS = 5


class Node(Protocol):
    """The supervisor, as far as it is needed here."""

    @property
    def configurations(self) -> Configurations: ...

    async def serve(self, supply: Callable[[], Configuration | None]) -> ReloadReport | None: ...

    def wrote(self, file: str, text: str) -> None: ...


class ConfigurationWriter:
    """See the module."""

    def __init__(self, node: Node, settings: ServerSettings) -> None:
        self._node = node
        self._settings = settings
        self._turn = asyncio.Lock()
        self._editor = EditorProcess()

    async def close(self) -> None:
        """End what is kept for the next write."""
        await self._editor.close()

    async def serve_text(self, text: str, *, persist: bool) -> Sequence[Problem]:
        """Serve a text; return the errors because of which it is not served."""
        async with self._turn:
            file = self._only_file() if persist else None
            try:
                loaded = await self._node.configurations.load_text(file or TEXT_NAME, text)
            except LoaderFailed as error:
                raise plain(500, "An unexpected error occurred") from error
            if not isinstance(loaded, Configuration):
                return [problem for problem in loaded if problem.severity == "error"]
            if file is not None:
                await asyncio.to_thread(replace_file, Path(file), text)
                self._node.wrote(file, text)
            report = await self._node.serve(lambda: loaded)
            logs.event(_log, "notice", "served a posted configuration", hash=loaded.hash, persisted=persist)
            if report is not None and report.outcome == "rejected":
                raise plain(400, "; ".join(report.problems))
            return ()

    def _only_file(self) -> str:
        files = self._settings.files
        if not self._settings.admin_write:
            raise plain(405, "the file can only be replaced with --admin-write")
        if len(files) != 1 or not Path(files[0]).is_file():
            raise plain(409, "there is not one file that could be replaced")
        return files[0]

    async def write(self, change: Change) -> Written:
        """Change the file and serve it."""
        if not self._settings.files or "-" in self._settings.files:
            raise plain(405, "the configuration does not come from a file that could be changed")
        async with self._turn:
            for _ in range(ATTEMPTS):
                written = await self._attempt(change)
                if written is not None:
                    return written
            raise plain(409, "the file is being edited by somebody else; try again")

    async def _attempt(self, change: Change) -> Written | None:
        """Return None when the file has changed meanwhile."""
        configuration = await self._edited(change)
        made = configuration.edit
        assert made is not None
        if made.refusal is not None:
            raise Failure(made.refusal)
        if not made.file:
            return Written(made.entity_id, made.is_new)
        report = await self._node.serve(lambda: self._replaced(made, configuration))
        if report is None:
            return None
        if report.outcome == "rejected":
            # The dry run said that it would work. The file must not say what nobody serves.
            await asyncio.to_thread(replace_file, Path(made.file), made.old)
            self._node.wrote(made.file, made.old)
            raise plain(400, "; ".join(report.problems))
        logs.event(
            _log, "notice", "changed the file", change=change.title(), file=made.file, id=made.entity_id
        )
        return Written(made.entity_id, made.is_new)

    def _replaced(self, made: Edit, configuration: Configuration) -> Configuration | None:
        """Replace the file unless it has changed; done while no reload runs, so their order is that of files."""
        path = Path(made.file)
        if path.read_bytes() != made.old.encode():
            return None
        replace_file(path, made.new)
        self._node.wrote(made.file, made.new)
        return configuration

    async def _edited(self, change: Change) -> Configuration:
        configurations = self._node.configurations
        try:
            found = await self._editor.edit(EditRequest(configurations.request, change))
        except LoaderFailed as error:
            raise plain(500, "An unexpected error occurred") from error
        if isinstance(found, Configuration):
            # What was refused, or changes nothing, is not a configuration to learn from.
            if found.hash:
                configurations.taught(found)
            return found
        errors = [problem for problem in found if problem.severity == "error"]
        raise plain(400, "; ".join(problem.one_line() for problem in errors))
