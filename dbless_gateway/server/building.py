"""Work in slices of the loop's time: from a configuration to a snapshot while the worker goes on serving.

The slices of the entities are taken up one in each turn of the loop, then the compiler runs as a generator
for at most ``BURST_S`` in each turn; requests are served between the turns. So a large table costs many small
pauses, not a long one.

What is done with lets go of everything at once: callback, handle and builder refer to each other, and memory
that is frozen while it still hangs in such a circle is never freed.

The cyclic collector is off meanwhile: a build makes some hundred thousand objects that stay, and each
collection that they provoke would look at all of them and free nothing.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from dbless_gateway.config.entities import Entities
from dbless_gateway.server.engine import Assembler, Outcome, Steps

# How long one turn may work. A request waits for two turns, its own and its target's: with bursts shorter than
# what a loop's turn takes anyway (0.1 to 0.6 ms at the 99th percentile) its wait stays within twice of that.
# Much less would make builds slower than their own overhead: many a step takes as long.
BURST_S = 0.0001

Result = TypeVar("Result")


class Drive(Generic[Result]):
    """Runs a generator to its end, a burst in each turn of the loop; calls back with what it returned.

    A step that waits for something outside of the loop yields its future.
    """

    def __init__(
        self,
        steps: Steps[Result],
        on_done: Callable[[Result], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._steps = steps
        self._on_done = on_done
        self._loop = loop
        self._turn: asyncio.Handle | None = loop.call_soon(self._burst)
        self._awaited: asyncio.Future[None] | None = None

    def cancel(self) -> None:
        """Give up; the call back does not happen."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self._awaited is not None:
            self._awaited.remove_done_callback(self._go_on)
            self._awaited = None
        self._steps.close()

    def _go_on(self, awaited: asyncio.Future[None]) -> None:
        self._awaited = None
        self._burst()

    def _burst(self) -> None:
        self._turn = None
        deadline = time.perf_counter() + BURST_S
        try:
            while time.perf_counter() < deadline:
                self._awaited = next(self._steps)
                if self._awaited is not None:
                    self._awaited.add_done_callback(self._go_on)
                    return
        except StopIteration as end:
            self._on_done(end.value)
        else:
            self._turn = self._loop.call_soon(self._burst)


class Build:
    """A build in progress. ``on_done`` is called once, with the outcome, unless it is cancelled."""

    def __init__(
        self,
        *,
        slices: int,
        assembler: Assembler,
        build_steps: Callable[[Entities], Steps[Outcome]],
        on_done: Callable[[Outcome], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._missing = slices
        self._assembler: Assembler | None = assembler
        self._build_steps = build_steps
        self._on_done = on_done
        self._loop = loop
        self._queue: deque[bytes] = deque()
        self._turn: asyncio.Handle | None = None
        self._drive: Drive[Outcome] | None = None
        gc.disable()
        if slices == 0:
            self._turn = loop.call_soon(self._compile)

    def add(self, data: bytes) -> None:
        """Take one slice; the work on it is done in a later turn."""
        self._queue.append(data)
        if self._turn is None:
            self._turn = self._loop.call_soon(self._unpack)

    def cancel(self) -> None:
        """Give up; ``on_done`` will not be called."""
        if self._turn is not None:
            self._turn.cancel()
        if self._drive is not None:
            self._drive.cancel()
        self._let_go()
        gc.enable()

    def _unpack(self) -> None:
        assert self._assembler is not None
        self._assembler.add(self._queue.popleft())
        self._missing -= 1
        if self._missing == 0:
            self._turn = self._loop.call_soon(self._compile)
        else:
            self._turn = self._loop.call_soon(self._unpack) if self._queue else None

    def _compile(self) -> None:
        assert self._assembler is not None
        self._turn = None
        steps = self._build_steps(self._assembler.entities())
        self._assembler = None
        self._drive = Drive(steps, self._finish, self._loop)

    def _finish(self, outcome: Outcome) -> None:
        self._let_go()
        # Everything that lives now goes out of the collector's sight before it wakes: even a collection of
        # the young ones would walk the whole new table and stall the loop for 30 ms, a full one for more, and
        # find nothing. Snapshots have no reference cycles and are freed by their counts, frozen or not.
        gc.freeze()
        gc.enable()
        self._on_done(outcome)

    def _let_go(self) -> None:
        self._turn = None
        self._drive = None
        self._assembler = None
