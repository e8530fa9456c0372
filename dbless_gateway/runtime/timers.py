"""The timers of plugins: what runs every now and then while a configuration is served.

A timer belongs to a plugin of the snapshot, by the plugin's id. A reload that keeps the plugin keeps the
rhythm, with the new handler; one that drops it stops the timer, and what it was just doing. A run that takes
longer than its period is not overtaken by the next. Errors are logged and change nothing.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable

from dbless_gateway.snapshot.plugin_timer import PluginTimer


class Timers:
    """All timers of a worker."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    def adopt(self, timers: Iterable[PluginTimer]) -> None:
        """Run these timers from now on, and no others."""
        before, self._running = self._running, {}
        for timer in timers:
            running = before.pop(timer.plugin_id, None)
            if running is None:
                running = _Running(timer)
            elif running.timer.period_s != timer.period_s:
                running.stop()
                running = _Running(timer)
            running.timer = timer
            self._running[timer.plugin_id] = running
        for running in before.values():
            running.stop()

    def stop(self) -> None:
        """Stop all of them."""
        self.adopt(())

    def __len__(self) -> int:
        return len(self._running)


class _Running:
    """One timer: the next call, and the run in progress if it waits for something."""

    def __init__(self, timer: PluginTimer) -> None:
        self.timer = timer
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Future[object] | None = None
        self._next = self._loop.call_later(timer.period_s, self._due)

    def stop(self) -> None:
        """Call no more, and give up what is in progress."""
        self._next.cancel()
        if self._task is not None:
            self._task.cancel()

    def _due(self) -> None:
        timer = self.timer
        self._next = self._loop.call_later(timer.period_s, self._due)
        if self._task is not None:
            return
        try:
            result = timer.run()
        except Exception:
            timer.log.exception("a timer failed")
            return
        if inspect.isawaitable(result):
            self._task = asyncio.ensure_future(result)
            self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[object]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self.timer.log.error("a timer failed", exc_info=error)
