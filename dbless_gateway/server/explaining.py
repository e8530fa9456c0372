"""Explaining what the served configuration makes of a request, in a process of its own.

One question at a time: each costs a process and, for a large configuration, seconds of a core, and the Admin
API must not be a way to use up the machine.
"""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Mapping
from typing import Any

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.slices import to_slices
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.live import MODULE, LiveQuestion
from dbless_gateway.server.spawning import child_command, child_environment

# Compiling 100,000 routes takes about ten seconds; who waits longer than this has gone away.
TIMEOUT_S = 60.0


class ExplainerFailed(Exception):
    """The process ended without an answer."""


class Explainer:
    """Asks the process that rehearses."""

    def __init__(self, options: ProxyOptions, timeout_s: float = TIMEOUT_S) -> None:
        self._options = options
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()

    async def explain(self, entities: Entities, query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the answer."""
        async with self._turn:
            # Not on the loop: pickling a large table takes a tenth of a second.
            question = await asyncio.to_thread(self._pickled, entities, dict(query))
            return await self._ask(question)

    def _pickled(self, entities: Entities, query: dict[str, str]) -> bytes:
        return pickle.dumps(LiveQuestion(tuple(to_slices(entities)), self._options, query))

    async def _ask(self, question: bytes) -> tuple[int, dict[str, Any]]:
        process = await asyncio.create_subprocess_exec(
            *child_command(MODULE),
            env=child_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                out, _ = await process.communicate(question)
        except TimeoutError:
            raise ExplainerFailed(f"no answer within {self._timeout_s:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise ExplainerFailed(f"the process ended with code {process.returncode}")
        status, body = json.loads(out)
        return status, body
