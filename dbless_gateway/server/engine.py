"""What a worker needs of the data plane: the seam between processes and proxying.

``assembly.py`` makes the real one; tests of processes use a small one that only answers. So nothing in the
worker's life (prepare, activate, drain, report) depends on how requests are proxied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol, TypeVar

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.problems import Problem

# What compiling ends with: a snapshot (opaque here), or the problems because of which there is none.
Outcome = Any | tuple[Problem, ...]

# Work in small steps; one that waits for something outside of the loop yields its future.
Result = TypeVar("Result")
Steps = Generator[asyncio.Future[None] | None, None, Result]


class Assembler(Protocol):
    """Takes the slices of a configuration, gives its entities."""

    def add(self, data: bytes) -> None: ...
    def entities(self) -> Entities: ...


class Engine(Protocol):
    """A gateway that serves."""

    def protocol_factory(self, scheme: str, port: int) -> Callable[..., asyncio.BaseProtocol]:
        """Return what makes the protocol of a connection accepted there; it may be given a ``source``."""

    def new_assembler(self) -> Assembler:
        """Return an assembler for the next configuration."""

    def build_steps(self, entities: Entities) -> Steps[Outcome]:
        """Compile, and make ready whatever the snapshot needs beside it, in small steps."""

    def discard(self, snapshot: Any) -> None:
        """Forget a snapshot that was built and will not be served."""

    def swap(self, snapshot: Any) -> None:
        """Serve this snapshot, which was the last to be built, from now on."""

    def receipt(self) -> Mapping[str, int]:
        """Return what the last swap kept and what it made anew, by count."""

    def tidy_steps(self) -> Steps[bool]:
        """Put away in small steps what swaps left behind; tell whether nothing is left."""

    def start_draining(self) -> None:
        """Close what is idle and keep no connection alive beyond its request."""

    async def drained(self) -> None:
        """Return when nothing is in flight."""

    async def close(self) -> None:
        """Send and write what is still queued; the process ends next."""

    def counts(self) -> Mapping[str, int]:
        """Return counters and gauges under the names of ``runtime/report.py``."""

    def reopen_logs(self) -> None:
        """Open log files anew."""
