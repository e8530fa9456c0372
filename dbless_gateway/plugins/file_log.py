"""file-log: append a JSON line per request to a file.

Kong's behaviour this follows: https://developer.konghq.com/plugins/file-log/ (3.9).
Differences: of ``custom_fields_by_lua`` only ``return <expression>`` is supported; lines are written together, at
most 10 ms after their requests, and lost with a worker that is killed before; ``reopen`` opens the file for each
such write.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.record import Recorder
from dbless_gateway.pdk.records import dataclass

NAME = "file-log"
PRIORITY = 9

# A system call for each line costs more than the line itself. A process that is killed loses what waits.
FLUSH_INTERVAL_S = 0.01
FLUSH_BYTES = 64 * 1024

_MODE = 0o644

# A named pipe that nobody reads is an error, and does not hold up everybody until somebody does.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Config:
    path: str
    reopen: bool
    custom_fields_by_lua: dict[str, str] | None


class Handler:
    """Instances with the same path share a file."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._path = config.path
        self._reopens = config.reopen
        self._name = f"{NAME}:{config.path}:{config.reopen}"
        self._recorder = Recorder(env, config.custom_fields_by_lua)
        self._env = env

    def log(self, ctx: Context) -> None:
        """Append the record."""
        self._env.host.resource(self._name, self._make_file).append(self._recorder.json(ctx))

    def _make_file(self) -> LogFile:
        return LogFile(self._path, self._env.log, reopens=self._reopens)


class LogFile:
    """A file that is opened when there is something to write; lines of several workers never mix in it."""

    def __init__(self, path: str, log: logging.Logger, *, reopens: bool) -> None:
        self._path = path
        self._log = log
        self._reopens = reopens
        self._descriptor: int | None = None
        self._is_regular = False
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def append(self, line: bytes) -> None:
        """Write a line at the end, soon and in its turn."""
        self._lines.append(line)
        self._size_bytes += len(line)
        if self._size_bytes >= FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL_S, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines, self._size_bytes = self._lines, [], 0
        if not lines:
            return
        try:
            if self._reopens:
                self._close()
            self._write(self._descriptor if self._descriptor is not None else self._open(), lines)
        except OSError as error:
            self._log.error("failed to open the file: %s; lines lost: %d", error, len(lines))

    def close(self) -> None:
        """Write what waits and close the file; the next line opens it again."""
        self.flush()
        self._close()

    def _open(self) -> int:
        descriptor = self._descriptor = os.open(self._path, _FLAGS, _MODE)
        os.set_blocking(descriptor, True)  # Only opening must not wait: lines stay whole.
        self._is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return descriptor

    def _write(self, descriptor: int, lines: list[bytes]) -> None:
        # What several workers append to a file never mixes; of what they write to a pipe, only short pieces.
        for piece in (b"\n".join(lines),) if self._is_regular else lines:
            os.write(descriptor, piece + b"\n")

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
