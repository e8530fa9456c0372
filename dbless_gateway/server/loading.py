"""Loading a configuration in a process of its own, seen from the supervisor.

A loader process reads, checks and compiles the files, writes the outcome to its standard output and ends; so
neither the supervisor's loop nor a worker's ever parses YAML, and the garbage of parsing never stays. The
output is one ``Loaded`` frame, then a frame for each slice of the entities (``config/slices.py``), which the
supervisor keeps and relays unopened.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbless_gateway.admin.changes import Edit
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.schemas import Schema
from dbless_gateway.runtime.report import CertificateExpiry
from dbless_gateway.server import logs
from dbless_gateway.server.background import PATIENCE_S, Background, Starved
from dbless_gateway.server.frames import FrameReader
from dbless_gateway.server.load_messages import END, SLICE, Loaded, LoadRequest
from dbless_gateway.server.spawning import child_environment

_log = logging.getLogger(__name__)

LOADER_MODULE = "dbless_gateway.server.loader"

# Loading 100,000 routes takes about half a minute; a loader that takes longer hangs (say, on a dead network
# mount).
LOAD_TIMEOUT_S = 120.0

READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration that was found good, in the form in which it is handed around."""

    hash: str
    counts: Mapping[str, int]
    warnings: tuple[Problem, ...]
    slices: tuple[bytes, ...]
    texts: tuple[tuple[str, str], ...]  # as they were read, if that was wanted
    plugin_schemas: Mapping[str, Schema]  # of plugins from elsewhere
    certificates: tuple[CertificateExpiry, ...] = ()  # what expires first comes first
    edit: Edit | None = None  # of an editor process


class LoaderFailed(Exception):
    """The loader itself failed, which says nothing about the configuration."""


async def load(
    request: LoadRequest, command: Sequence[str], *, is_urgent: bool = True, patience_s: float = PATIENCE_S
) -> Configuration | tuple[Problem, ...]:
    """Ask a new loader process; return the configuration, or why there is none.

    Unless it is urgent the process stands back behind what serves; when it starves there, another one does not.
    """
    if not is_urgent:
        try:
            return await _ask(request, command, patience_s)
        except Starved:
            logs.event(_log, "notice", "loading again with priority: it got too little of a core")
    return await _ask(request, command, None)


async def _ask(
    request: LoadRequest, command: Sequence[str], patience_s: float | None
) -> Configuration | tuple[Problem, ...]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=child_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LOAD_TIMEOUT_S):
            work = _converse(process, pickle.dumps(request))
            if patience_s is None:
                return await work
            return await Background(process.pid, patience_s).finish(work)
    except TimeoutError:
        raise LoaderFailed(f"the loader did not end within {LOAD_TIMEOUT_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _converse(
    process: asyncio.subprocess.Process, request: bytes
) -> Configuration | tuple[Problem, ...]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request)
    process.stdin.write_eof()
    answer = Answer()
    while data := await process.stdout.read(READ_BYTES):
        answer.feed(data)
    code = await process.wait()
    found = answer.outcome()
    if found is None or code != 0:
        raise LoaderFailed(f"the loader ended with code {code}")
    return found


class Answer:
    """What a loader or an editor says, as it comes."""

    def __init__(self) -> None:
        self.is_complete = False  # only an editor says so; a loader ends
        self._frames = FrameReader()
        self._loaded: Loaded | None = None
        self._slices: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        for kind, body in self._frames.feed(data):
            if kind == SLICE:
                self._slices.append(body)
            elif kind == END:
                self.is_complete = True
            else:
                self._loaded = pickle.loads(body)

    def outcome(self) -> Configuration | tuple[Problem, ...] | None:
        """Return the configuration, or why there is none; None when neither was said."""
        loaded = self._loaded
        if loaded is None:
            return None
        if any(problem.severity == "error" for problem in loaded.problems):
            return loaded.problems
        return Configuration(
            loaded.hash,
            loaded.counts,
            loaded.problems,
            tuple(self._slices),
            loaded.texts,
            loaded.plugin_schemas,
            loaded.certificates,
            loaded.edit,
        )
