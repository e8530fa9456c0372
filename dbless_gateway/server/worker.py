"""A worker process: one loop, its listeners, one gateway; it does what the supervisor says.

``python -m dbless_gateway.server.worker <fd>`` where the descriptor is its end of the control channel. The
first message is ``Boot``. It starts to accept with its first configuration, swaps to later ones between two
requests, and ends when it is told to, or when the channel closes: without a supervisor it would serve a
configuration that nobody can change.

Signals are the supervisor's business: a terminal or systemd sends them to the whole group, and a worker that
acted on them would cut what the supervisor wants to drain.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import uvloop

from dbless_gateway.server import logs
from dbless_gateway.server.accepting import Acceptor
from dbless_gateway.server.building import Build, Drive
from dbless_gateway.server.bus import ChannelBus
from dbless_gateway.server.control import (
    Abort,
    Activate,
    Activated,
    Boot,
    Broadcast,
    Channel,
    Drain,
    Failed,
    LogLevel,
    Message,
    Prepare,
    Ready,
    ReopenLogs,
    Report,
    ReportWanted,
    Slice,
    Stop,
)
from dbless_gateway.server.engine import Engine, Outcome

_log = logging.getLogger(__name__)

# How often it is looked whether exchanges on an old configuration have ended.
TIDY_INTERVAL_S = 1.0

Assemble = Callable[[Boot, ChannelBus], Engine]


class Worker:
    """The worker's side of the control channel."""

    def __init__(self, assemble: Assemble, loop: asyncio.AbstractEventLoop) -> None:
        self.ended: asyncio.Future[None] = loop.create_future()
        self.channel = Channel(self._on_message, self._on_channel_closed)
        self._assemble = assemble
        self._loop = loop
        self._bus = ChannelBus(lambda topic, payload: self.channel.send(Broadcast(topic, payload)))
        self._boot: Boot | None = None
        self._engine: Engine | None = None
        self._acceptor: Acceptor | None = None
        self._build: Build | None = None
        self._prepared: tuple[Prepare, Any] | None = None
        self._serving: Prepare | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def _on_message(self, message: Message) -> None:
        match message:
            case Broadcast(topic, payload):
                self._bus.deliver(topic, payload)
            case ReportWanted():
                self.channel.send(Report(self._report()))
            case Slice(data):
                if self._build is not None:
                    self._build.add(data)
            case Prepare():
                self._prepare(message)
            case Activate(version):
                self._activate(version)
            case Abort():
                self._forget_prepared()
            case Boot():
                self._start(message)
            case Drain(timeout_s):
                self._spawn(self._drain(timeout_s))
            case Stop():
                self._end()
            case LogLevel(level):
                logs.set_level(level)
            case ReopenLogs():
                if self._engine is not None:
                    self._engine.reopen_logs()
            case _:
                raise AssertionError(f"not for a worker: {type(message).__name__}")

    # Coming up.

    def _start(self, boot: Boot) -> None:
        logs.configure(boot.log_level)
        self._boot = boot
        self._engine = self._assemble(boot, self._bus)
        self._acceptor = Acceptor(
            boot.listeners,
            self._engine.protocol_factory,
            self._loop,
            header_timeout_s=boot.options.client_header_timeout,
        )

    # Moving to a configuration.

    def _prepare(self, announced: Prepare) -> None:
        assert self._engine is not None
        self._forget_prepared()
        self._build = Build(
            slices=announced.slices,
            assembler=self._engine.new_assembler(),
            build_steps=self._engine.build_steps,
            on_done=lambda outcome: self._on_built(announced, outcome),
            loop=self._loop,
        )

    def _on_built(self, announced: Prepare, outcome: Outcome) -> None:
        self._build = None
        if isinstance(outcome, tuple):
            self.channel.send(Failed(announced.version, outcome))
            return
        self._prepared = (announced, outcome)
        self.channel.send(Ready(announced.version))

    def _activate(self, version: int) -> None:
        assert self._engine is not None
        assert self._prepared is not None, f"version {version} was not prepared"
        announced, snapshot = self._prepared
        assert announced.version == version, f"{announced.version} is prepared, not {version}"
        self._prepared = None
        began = time.perf_counter()
        self._engine.swap(snapshot)
        swap_ms = (time.perf_counter() - began) * 1000
        self._serving = announced
        self._tidy()
        self._spawn(self._confirm(Activated(version, swap_ms, dict(self._engine.receipt()))))

    async def _confirm(self, activated: Activated) -> None:
        assert self._acceptor is not None
        await self._acceptor.start()
        self.channel.send(activated)

    def _tidy(self) -> None:
        assert self._engine is not None
        Drive(self._engine.tidy_steps(), self._on_tidied, self._loop)

    def _on_tidied(self, nothing_is_left: bool) -> None:
        if not nothing_is_left:
            self._loop.call_later(TIDY_INTERVAL_S, self._tidy)

    def _forget_prepared(self) -> None:
        if self._build is not None:
            self._build.cancel()
            self._build = None
        if self._prepared is not None and self._engine is not None:
            self._engine.discard(self._prepared[1])
            self._prepared = None

    # Going down.

    async def _drain(self, timeout_s: float) -> None:
        if self._acceptor is not None and self._engine is not None:
            await self._acceptor.stop()
            self._engine.start_draining()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._engine.drained()
            except TimeoutError:
                logs.event(_log, "warn", "requests in flight are cut: the drain timeout is over")
            await self._engine.close()
        self._end()

    def _on_channel_closed(self, error: Exception | None) -> None:
        if self.ended.done():
            return
        if error is not None:
            # A bug of ours: ending is safe, since the supervisor puts a fresh worker in this place.
            self.ended.set_exception(error)
            return
        if self._boot is None or self._serving is None:
            self._end()
            return
        logs.event(_log, "error", "the supervisor has gone; finishing what is in flight")
        self._spawn(self._drain(self._boot.drain_timeout_s))

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    # Telling.

    def _report(self) -> dict[str, Any]:
        counts = self._engine.counts() if self._engine is not None else {}
        return {"resident_bytes": _resident_bytes(), "counts": counts}

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.ended.done():
            self.ended.set_exception(error)


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        # Out of descriptors; the greatest size so far is close, and a report must not end the worker.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def serve(control: socket.socket, assemble: Assemble) -> None:
    """Run a worker on this end of the control channel until it is to end."""
    loop = asyncio.get_running_loop()
    worker = Worker(assemble, loop)
    loop.set_exception_handler(_on_loop_error)
    await loop.create_unix_connection(lambda: worker.channel, sock=control)
    await worker.ended


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # The channel's own callbacks end the worker when they fail; any other callback's error is survived.
    _log.error("%s", context.get("message"), exc_info=context.get("exception"))


def main(argv: list[str], assemble: Assemble) -> int:
    """Run the worker whose control channel is the descriptor in the arguments."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=int(argv[0]))
    control.setblocking(False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(control, assemble))
    # Connections that are still open are closed by the kernel; there is nothing to wait for.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    from dbless_gateway.server.assembly import assemble

    raise SystemExit(main(sys.argv[1:], assemble))
