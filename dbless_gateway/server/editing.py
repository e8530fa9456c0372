"""The editor process, seen from the supervisor: started by a write, kept for the next one, ended when idle.

A write of a large configuration is mostly reading it, and the next one needs what the last one read. That is
memory, some forty times the size of the file; it is given back after a minute without a write.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Sequence

from dbless_gateway.config.problems import Problem
from dbless_gateway.server import logs
from dbless_gateway.server.background import PATIENCE_S, Background, Starved
from dbless_gateway.server.editor import EditRequest
from dbless_gateway.server.frames import frame
from dbless_gateway.server.load_messages import REQUEST
from dbless_gateway.server.loading import LOAD_TIMEOUT_S, READ_BYTES, Answer, Configuration, LoaderFailed
from dbless_gateway.server.spawning import child_command, child_environment

_log = logging.getLogger(__name__)

EDITOR_MODULE = "dbless_gateway.server.editor"

# Who changes several entities does so one after the other, with less than this in between.
IDLE_S = 60.0
# Its collector is off, so whatever it might leave behind must come to an end.
EDITS_MAX = 200


class EditorProcess:
    """At most one process; one edit at a time."""

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        idle_s: float = IDLE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._command = command or child_command(EDITOR_MODULE)
        self._idle_s = idle_s
        self._patience_s = patience_s
        self._background: Background | None = None  # None: it competes like everybody else
        self._process: asyncio.subprocess.Process | None = None
        self._edits = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def process(self) -> asyncio.subprocess.Process | None:
        """The process, if there is one."""
        return self._process

    async def edit(self, request: EditRequest) -> Configuration | tuple[Problem, ...]:
        """Make a change and check it; raises ``LoaderFailed`` when the process fails."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                answer = await self._ask(request)
        except TimeoutError:
            await self.close()
            raise LoaderFailed(f"the editor did not answer within {LOAD_TIMEOUT_S:.0f} s") from None
        except BaseException:
            # Whatever it says from now on would be taken for the answer to another question.
            await self.close()
            raise
        self._edits += 1
        if self._edits >= EDITS_MAX:
            await self.close()
        else:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._end)
        return answer

    async def close(self) -> None:
        """End the process."""
        if self._timer is not None:
            self._timer.cancel()
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def _end(self) -> None:
        # Its input ends, and so does it; the loop reaps it.
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()

    async def _ask(self, request: EditRequest) -> Configuration | tuple[Problem, ...]:
        """Let a process that stands back make the change; when it starves there, another one does not."""
        process = await self._running(stands_back=True)
        if self._background is None:
            return await self._converse(process, request)
        try:
            return await self._background.finish(self._converse(process, request))
        except Starved:
            logs.event(_log, "notice", "editing again with priority: it got too little of a core")
        await self.close()
        return await self._converse(await self._running(stands_back=False), request)

    async def _running(self, *, stands_back: bool) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._edits = 0
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=child_environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            pid = self._process.pid
            self._background = Background(pid, self._patience_s) if stands_back else None
        return self._process

    async def _converse(
        self, process: asyncio.subprocess.Process, request: EditRequest
    ) -> Configuration | tuple[Problem, ...]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(frame(REQUEST, pickle.dumps(request)))
        answer = Answer()
        while not answer.is_complete and (data := await process.stdout.read(READ_BYTES)):
            answer.feed(data)
        found = answer.outcome() if answer.is_complete else None
        if found is not None:
            return found
        raise LoaderFailed(f"the editor ended with code {await process.wait()}")
