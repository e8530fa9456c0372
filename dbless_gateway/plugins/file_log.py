"""file-log: append a JSON line per request to a file.

Kong's behaviour this follows: https://developer.konghq.com/plugins/file-log/ (3.9).
Differences: of ``custom_fields_by_lua`` only ``return <expression>`` is supported.
"""

from __future__ import annotations

import os

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.record import Recorder
from dbless_gateway.pdk.records import dataclass

NAME = "file-log"
PRIORITY = 9

_MODE = 0o644

# A named pipe that nobody reads is an error, and does not hold up everybody until somebody does.
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Config:
    path: str
    reopen: bool
    custom_fields_by_lua: dict[str, str] | None


class Handler:
    """Writes each line with one call, so that lines of several workers never mix."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._path = config.path
        self._reopens = config.reopen
        self._recorder = Recorder(env, config.custom_fields_by_lua)
        self._env = env

    def log(self, ctx: Context) -> None:
        """Append the record."""
        file = self._env.host.resource(f"file-log:{self._path}", lambda: LogFile(self._path))
        try:
            if self._reopens:
                file.close()
            file.append(self._recorder.json(ctx) + b"\n")
        except OSError as error:
            self._env.log.error("failed to open the file: %s", error)


class LogFile:
    """A file that is opened when there is something to write."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def append(self, line: bytes) -> None:
        """Write a line at the end."""
        if self._descriptor is None:
            self._descriptor = os.open(self._path, _FLAGS, _MODE)
            os.set_blocking(self._descriptor, True)  # Only opening must not wait: lines stay whole.
        os.write(self._descriptor, line)

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
