"""One worker process as the supervisor sees it: its start, its control channel, its answers, its end.

Questions that are answered once (``prepare``, ``activate``) are futures; when the process ends they are
answered with None. What to do about that is ``worker_pool.py``'s decision.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from dbless_gateway.server.control import (
    Abort,
    Activate,
    Activated,
    Boot,
    Broadcast,
    Channel,
    Drain,
    Failed,
    Message,
    Prepare,
    Ready,
    Report,
    ReportWanted,
    Slice,
    Stop,
    encode,
)
from dbless_gateway.server.spawning import worker_environment

# A compile that takes longer than this hangs; the worker is replaced.
ANSWER_TIMEOUT_S = 60.0

_Answer = Ready | Failed | Activated


class WorkerProcess:
    """A worker process; made by ``spawn``."""

    def __init__(self, boot: Boot, process: asyncio.subprocess.Process) -> None:
        self.index = boot.index
        self.pid = process.pid
        self.started_at = time.time()
        self.state = "starting"
        self.version = 0
        self.hash = ""
        self.report: dict[str, Any] = {}
        self.unanswered_reports = 0
        self.on_broadcast: Callable[[WorkerProcess, Broadcast], None] = lambda worker, message: None
        self.channel = Channel(self._on_message, self._on_closed)
        self._process = process
        self._question: tuple[int, asyncio.Future[_Answer | None]] | None = None
        self._report_arrived = asyncio.Event()

    @classmethod
    async def spawn(cls, command: Sequence[str], boot: Boot, fds: Sequence[int]) -> WorkerProcess:
        """Start a process and send it ``boot``; it inherits ``fds`` under the same numbers."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(*command, str(theirs.fileno())),
                env=worker_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *fds),
            )
        worker = cls(boot, process)
        ours.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: worker.channel, sock=ours)
        worker.channel.send(boot)
        return worker

    async def prepare(self, announced: Prepare, slice_frames: Sequence[bytes]) -> Ready | Failed | None:
        """Let it compile a configuration; None when it ended or hangs."""
        self.channel.send(announced)
        # All at once into the transport's buffer: it is a few megabytes at most, the same bytes for all
        # workers.
        for slice_frame in slice_frames:
            self.channel.send_frame(slice_frame)
        answer = await self._answer(announced.version)
        assert answer is None or isinstance(answer, Ready | Failed)
        return answer

    async def activate(self, announced: Prepare) -> Activated | None:
        """Let it serve what it prepared; None when it ended or hangs."""
        self.channel.send(Activate(announced.version))
        answer = await self._answer(announced.version)
        if answer is None:
            return None
        assert isinstance(answer, Activated)
        self.version, self.hash = announced.version, announced.hash
        self.state = "serving"
        return answer

    def abort(self, announced: Prepare) -> None:
        """Let it forget what it prepared."""
        self.channel.send(Abort(announced.version))

    def drain(self, timeout_s: float) -> None:
        """Let it finish what is in flight and end."""
        self.state = "draining"
        self.channel.send(Drain(timeout_s))

    def stop(self) -> None:
        """Let it end at once."""
        self.channel.send(Stop())

    def kill(self) -> None:
        """End it without its help."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def wait(self) -> int:
        """Return its exit code when it has ended; -N for signal N."""
        code = await self._process.wait()
        self.state = "gone"
        self._close_answers()
        self.channel.close()
        return code

    def ask_report(self) -> None:
        """Ask for a report; the answer clears ``unanswered_reports``."""
        self.unanswered_reports += 1
        self._report_arrived.clear()
        self.channel.send(ReportWanted())

    async def fresh_report(self, timeout_s: float) -> None:
        """Return when it has reported anew, at the latest after that time."""
        self.ask_report()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._report_arrived.wait()

    async def _answer(self, version: int) -> _Answer | None:
        assert self._question is None, "one question at a time"
        if not self.channel.is_open:
            return None
        answer: asyncio.Future[_Answer | None] = asyncio.get_running_loop().create_future()
        self._question = (version, answer)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            self.kill()
            return None
        finally:
            self._question = None

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Broadcast):
            self.on_broadcast(self, message)
        elif isinstance(message, Report):
            self.report = message.values
            self.unanswered_reports = 0
            self._report_arrived.set()
        elif isinstance(message, _Answer) and self._question is not None:
            version, answer = self._question
            # An answer to a question that was given up (an aborted version) may still be on its way.
            if message.version == version and not answer.done():
                answer.set_result(message)

    def _on_closed(self, error: Exception | None) -> None:
        # A worker without a channel cannot be moved or drained any more: it must not go on serving.
        if error is not None:
            self.kill()
        self._close_answers()

    def _close_answers(self) -> None:
        if self._question is not None and not self._question[1].done():
            self._question[1].set_result(None)


def slice_frames(slices: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the frames of a configuration's slices, encoded once for all workers."""
    return tuple(encode(Slice(data)) for data in slices)
