"""The parent process: it listens, loads, moves the workers, watches, answers the Admin API, and ends in
order.

It owns what outlives a worker (sockets, shared memory, the configuration) and moves no traffic. Its life is
``run``, from top to bottom; after the start everything happens in answer to an event: a file changed, a
signal came, a request to the Admin API. Reloads come one after the other, whatever asked for them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import uvloop

from dbless_gateway import __version__
from dbless_gateway.config.problems import Problem
from dbless_gateway.runtime.report import NO_HASH, NodeReport, ReloadReport, merge_counts
from dbless_gateway.server import logs
from dbless_gateway.server.configurations import Configurations
from dbless_gateway.server.control import LogLevel, ReopenLogs
from dbless_gateway.server.entrances import Entrances
from dbless_gateway.server.listeners import ListenError
from dbless_gateway.server.load_history import LoadHistory, lines_of
from dbless_gateway.server.loading import LOADER_MODULE, Configuration, LoaderFailed
from dbless_gateway.server.node_commands import NodeCommands
from dbless_gateway.server.node_health import NodeHealth
from dbless_gateway.server.options import ServerSettings
from dbless_gateway.server.receipts import Receipt
from dbless_gateway.server.replacing import remove_leftovers
from dbless_gateway.server.service_manager import ServiceManager
from dbless_gateway.server.shared import SharedState
from dbless_gateway.server.slots import plan_slots
from dbless_gateway.server.spawning import child_command
from dbless_gateway.server.watcher import Known, changes, fingerprint
from dbless_gateway.server.worker_pool import StartError, WorkerPool

_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)

WORKER_MODULE = "dbless_gateway.server.worker"

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INVALID_CONFIGURATION = 78  # EX_CONFIG of sysexits.h


class Supervisor:
    """One gateway node. ``worker_command`` and ``loader_command`` start the child processes."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        worker_command: Sequence[str] | None = None,
        loader_command: Sequence[str] | None = None,
    ) -> None:
        self._settings = settings
        self._worker_command = worker_command or child_command(WORKER_MODULE)
        self._configurations = Configurations(settings, loader_command or child_command(LOADER_MODULE))
        self._commands = NodeCommands(self, settings)
        self._entrances = Entrances(settings, self._commands)
        self._started_at = time.time()
        self._history = LoadHistory()
        self._draining = False
        self._fast = asyncio.Event()
        self._ending = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._pool: WorkerPool | None = None
        self._shared: SharedState | None = None
        self._health: NodeHealth | None = None
        self._known = Known(())
        self._manager = ServiceManager(os.environ)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> int:
        """Run the node until a signal ends it; return the exit code."""
        self._listen_to_signals()
        try:
            await self._open()
            # A stop that is asked for while a large file is still being loaded must not wait for it.
            code = await _unless(self._ending, self._start_serving())
            if code:
                return code
            await self._ending.wait()
            if self._pool is not None:
                await self._drain(self._pool)
            return EXIT_OK
        except (ListenError, LoaderFailed, StartError) as error:
            logs.event(_log, "emerg", "cannot start", reason=error)
            return EXIT_FAILED
        finally:
            await self._close()

    # Coming up.

    async def _open(self) -> None:
        """Take the addresses and answer probes, before the configuration is looked at."""
        await self._entrances.open()
        logs.event(_log, "info", "listening", **self._entrances.addresses)

    async def _start_serving(self) -> int:
        """Load, start the workers, then watch; return an exit code when that fails."""
        async with self._reloading:
            return await self._load_and_start()

    async def _load_and_start(self) -> int:
        began = time.monotonic()
        if self._settings.admin_write:
            for left in await asyncio.to_thread(remove_leftovers, self._settings.files):
                logs.event(_log, "notice", "removed what a write left that was cut off", file=left)
        logs.event(_log, "info", "loading", files=",".join(self._settings.files))
        self._known.content = fingerprint(self._watched()) if self._settings.watch else ()
        loaded = await self._configurations.load()
        if not isinstance(loaded, Configuration):
            problems, recalled = loaded, await self._configurations.recall()
            if recalled is None:
                return self._refuse_to_start(problems)
            _print(problems)
            logs.event(_log, "error", "the configuration is invalid: serving what was served last")
            loaded = recalled
        self._shared = SharedState.create(self._settings)
        pairs = await self._entrances.default_pairs("proxy") if self._settings.proxy.tls is not None else ()
        plans = plan_slots(self._settings, self._entrances.listeners, self._shared, pairs)
        self._pool = WorkerPool(self._worker_command, plans)
        self._health = NodeHealth(
            self._pool.bus, self._settings.dns, self._settings.proxy.trusted_certificates
        )
        self._entrances.start_accepting()
        problems = await self._pool.start(loaded)
        if problems:
            return self._refuse_to_start(problems)
        # Before readiness: who is told that the node is ready may read everything.
        await self._health.adopt(loaded.slices, Receipt())
        told = {"pid": os.getpid(), "workers": self._settings.workers, **self._entrances.addresses}
        self._history.started(loaded, began, told)
        await self._configurations.note_served(loaded)
        self._spawn(self._pool.watch_over())
        self._spawn(self._health.sweep_regularly())
        self._spawn(self._manager.keep_alive(self._pool.is_alive))
        self._manager.ready(f"serving {loaded.hash}")
        if self._settings.watch:
            self._spawn(self._watch())
        return EXIT_OK

    def _refuse_to_start(self, problems: Sequence[Problem]) -> int:
        _print(problems)
        errors = sum(problem.severity == "error" for problem in problems)
        logs.event(_log, "emerg", "cannot start: the configuration is invalid", errors=errors)
        return EXIT_INVALID_CONFIGURATION

    # Reloading.

    async def reload(self) -> ReloadReport:
        """Load the files again; return when all workers serve them, or the old ones."""
        async with self._reloading:
            self._manager.reloading()
            report = await self._load_and_move()
            self._manager.ready(f"{report.outcome}: {report.new_hash or report.old_hash}")
            return report

    async def _load_and_move(self) -> ReloadReport:
        began = time.monotonic()
        try:
            loaded = await self._configurations.load()
        except LoaderFailed as error:
            return self._rejected(None, (str(error),), began)
        if not isinstance(loaded, Configuration):
            return self._rejected(None, lines_of(loaded), began)
        return await self._move(loaded, began)

    async def _move(self, loaded: Configuration, began: float) -> ReloadReport:
        assert self._pool is not None
        served = self._pool.configuration
        assert served is not None
        if loaded.hash == served.hash:
            # The files say what is served, even if it was recalled because they did not.
            self._configurations.serves_last_good = False
            return self._history.unchanged(loaded, began)
        receipt = Receipt()
        problems = await self._pool.move(loaded, receipt)
        if problems:
            return self._rejected(loaded.hash, lines_of(problems), began)
        assert self._health is not None
        await self._health.adopt(loaded.slices, receipt)
        await self._configurations.note_served(loaded)
        return self._history.reloaded(served.hash, loaded, began, receipt)

    async def serve(self, supply: Callable[[], Configuration | None]) -> ReloadReport | None:
        """Move all workers to what ``supply`` returns when its turn comes; None: it thought better of it."""
        async with self._reloading:
            loaded = supply()
            return await self._move(loaded, time.monotonic()) if loaded is not None else None

    def wrote(self, file: str, text: str) -> None:
        """Take a file that was just written for known: what is in it is served, or about to be."""
        self._known.note(file, text)

    def _watched(self) -> tuple[str, ...]:
        return self._settings.files + self._settings.plugins.folders

    async def _watch(self) -> None:
        async for _ in changes(self._watched(), self._known):
            await self.reload()

    def _rejected(self, new_hash: str | None, reasons: Sequence[str], began: float) -> ReloadReport:
        assert self._pool is not None
        assert self._pool.configuration is not None
        return self._history.rejected(self._pool.configuration.hash, new_hash, reasons, began)

    # Going down.

    async def _drain(self, pool: WorkerPool) -> None:
        """Readiness off, go on serving for a while, stop accepting, finish what is in flight."""
        self._draining = True
        self._manager.stopping()
        settings = self._settings
        logs.event(_log, "notice", "stopping", fast=self._fast.is_set(), timeout_s=settings.drain_timeout_s)
        if not self._fast.is_set():
            await _unless(self._fast, asyncio.sleep(settings.drain_delay_s))
        self._entrances.stop_accepting()
        if not self._fast.is_set():
            await _unless(self._fast, pool.end(drain_timeout_s=settings.drain_timeout_s))
        await pool.end(drain_timeout_s=None)
        logs.event(_log, "notice", "stopped", served_s=time.time() - self._started_at)

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pool is not None:
            await self._pool.end(drain_timeout_s=None)
        if self._health is not None:
            await self._health.close()
        await self._entrances.close()
        await self._commands.close()
        if self._shared is not None:
            self._shared.close()

    # Signals.

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        actions: dict[signal.Signals, Callable[[], object]] = {
            signal.SIGTERM: self._ending.set,
            signal.SIGQUIT: self._ending.set,
            signal.SIGINT: self._stop_fast,
            signal.SIGHUP: lambda: self._spawn(self.reload()),
            signal.SIGUSR1: self._reopen_logs,
        }
        for number, action in actions.items():
            loop.add_signal_handler(number, action)

    def _stop_fast(self) -> None:
        self._fast.set()
        self._ending.set()

    def _reopen_logs(self) -> None:
        if self._pool is not None:
            self._pool.tell(ReopenLogs())

    # What the Admin API may ask.

    async def node(self) -> NodeReport:
        """Return the node's state, with fresh counts of its workers."""
        if self._pool is not None:
            await self._pool.refresh_reports()
        return self.node_now()

    def node_now(self) -> NodeReport:
        """Return the node's state as last reported."""
        pool, history = self._pool, self._history
        configuration = pool.configuration if pool is not None and history.served_since else None
        return NodeReport(
            node_id=self._settings.node_id,
            version=__version__,
            supervisor_pid=os.getpid(),
            started_at=self._started_at,
            configuration_hash=configuration.hash if configuration else NO_HASH,
            configuration_since=history.served_since,
            serves_last_good=self._configurations.serves_last_good,
            draining=self._draining or self._ending.is_set(),
            workers_wanted=self._settings.workers,
            workers=pool.reports() if pool is not None else (),
            counts=pool.counts() if pool is not None else merge_counts([], {}),
            last_load=history.last,
            loads=history.totals,
            shared_memory_bytes=self._shared.sizes() if self._shared is not None else {},
            certificates=configuration.certificates if configuration else (),
        )

    @property
    def configurations(self) -> Configurations:
        """Where the node's configurations come from."""
        return self._configurations

    @property
    def health(self) -> NodeHealth | None:
        """The health of targets, and the entities that are served; None until something is."""
        return self._health

    @property
    def shared(self) -> SharedState | None:
        """What the workers share; None until there are some."""
        return self._shared

    def start_draining(self) -> None:
        """Be not ready any more and serve all the same; the end comes with a signal."""
        if not self._draining:
            self._draining = True
            logs.event(_log, "notice", "draining: not ready any more")

    def set_log_level(self, level: str) -> None:
        """Log from this level on, here and in all workers."""
        logs.set_level(level)
        if self._pool is not None:
            self._pool.tell(LogLevel(level))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logs.event(_log, "crit", "a task of the supervisor failed")
            _log.error("%s", error, exc_info=error)


def run(settings: ServerSettings, **commands: Sequence[str]) -> int:
    """Run a gateway in the foreground; return its exit code."""

    async def supervise() -> int:
        return await Supervisor(settings, **commands).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(supervise())


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, _Result]) -> _Result | None:
    """Wait for the work and return its result; give it up and return None when the event comes first."""
    waiting = asyncio.ensure_future(event.wait())
    working = asyncio.ensure_future(work)
    await asyncio.wait({waiting, working}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    return None


def _print(problems: Sequence[Problem]) -> None:
    for problem in problems:
        sys.stderr.write(problem.one_line() + "\n")
