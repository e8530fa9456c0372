"""loop-turns: how much of the processor's time the longest turns of a worker's loop take.

A plugin, because that is how code gets into a worker. From its first timer on it is called once in every turn
of the loop and writes down each turn that took longer than a floor: when it ended (monotonic seconds) and the
time that the thread was running in it (milliseconds). Time of the processor and not of the wall: another
process on the same core does not count. The loop never sleeps meanwhile, so it must have a core of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic, thread_time
from typing import Any

NAME = "loop-turns"
PRIORITY = 1


@dataclass(frozen=True, slots=True)
class Config:
    """The fields of ``config``."""

    file: str
    floor_ms: float = 0.05


class Handler:
    """Starts the sampler, once in a worker."""

    timer_period_s = 1.0

    def __init__(self, config: Config, env: Any) -> None:
        self._config = config
        # Shared by all handlers of this plugin, whatever reload they came with.
        self._samplers: dict[str, _Sampler] = _SAMPLERS

    def on_timer(self) -> None:
        """Start, unless it has been."""
        config = self._config
        if config.file not in self._samplers:
            self._samplers[config.file] = _Sampler(config.file, config.floor_ms)


class _Sampler:
    def __init__(self, file: str, floor_ms: float) -> None:
        self._out = open(file, "a", buffering=1)  # noqa: SIM115 - open as long as the worker lives
        self._floor_s = floor_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._before = thread_time()
        self._turn()

    def _turn(self) -> None:
        now = thread_time()
        taken_s, self._before = now - self._before, now
        if taken_s >= self._floor_s:
            self._out.write(f"{monotonic():.6f} {taken_s * 1000:.3f}\n")
            self._before = thread_time()
        self._loop.call_soon(self._turn)


_SAMPLERS: dict[str, _Sampler] = {}
