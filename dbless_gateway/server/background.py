"""Work of child processes that goes behind everybody else's, as long as that gets it anywhere.

Where cores are short a request goes first. Linux has a policy for that: a process under ``SCHED_IDLE`` makes
way at once for whoever wakes up on its core, where a low priority alone would let him wait for the end of a
slice, some milliseconds. But on a busy machine such a process gets next to nothing, and without privileges it
never comes back from that policy. So it is watched, and when it starves its work is given to another one that
competes like everybody else: a new configuration goes live on any machine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

# What a process may spend waiting: this, and three times as long as it has run. So it starves with less than a
# quarter of a core, and one that gets nothing at all is noticed before whoever changed the file wonders.
PATIENCE_S = 0.5
_WAITING_PER_RUNNING = 3
# However long it has run: a load of 100,000 routes must not wait for minutes.
_WAITING_MAX_S = 20.0
_CHECK_INTERVAL_S = 0.1
# Where there is no such policy: lower than what serves, and high enough never to starve.
_NICENESS = 10


class Starved(Exception):
    """The process gets too little of a core to ever be done."""


class Background:
    """A child process that stands back, from now to its end."""

    def __init__(self, pid: int, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._stat = Path(f"/proc/{pid}/stat")
        self._can_starve = _stand_back(pid)

    async def finish(self, work: Awaitable[T]) -> T:
        """Return what comes of the work of this process; raises ``Starved``, and then the work is given up."""
        task = asyncio.ensure_future(work)
        began_at, ran_before_s = monotonic(), self._ran_s()
        try:
            while not (await asyncio.wait([task], timeout=self._check_interval_s))[0]:
                ran_s = self._ran_s() - ran_before_s
                if is_starving(monotonic() - began_at - ran_s, ran_s, self._patience_s):
                    raise Starved
            return task.result()
        finally:
            task.cancel()
            # What it would have said is of no interest; that it has ended is: it reads from the process.
            await asyncio.wait([task])

    @property
    def _check_interval_s(self) -> float | None:
        return min(_CHECK_INTERVAL_S, self._patience_s) if self._can_starve else None

    def _ran_s(self) -> float:
        """Return how long it has been on a core; one that has ended has all the time in the world."""
        with suppress(OSError):
            # The name in front, in parentheses, may hold anything.
            fields = self._stat.read_text().rpartition(")")[2].split()
            user, system = int(fields[11]), int(fields[12])
            return (user + system) / os.sysconf("SC_CLK_TCK")
        return 0.0


def is_starving(waited_s: float, ran_s: float, patience_s: float = PATIENCE_S) -> bool:
    """Tell whether a process that has waited and run this long gets too little."""
    return waited_s > min(patience_s + _WAITING_PER_RUNNING * ran_s, _WAITING_MAX_S)


def _stand_back(pid: int) -> bool:
    """Put a process behind everybody else; tell whether it may starve there."""
    # Not everywhere, or a sandbox forbids it; or the process has already ended.
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        return True
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
    return False
