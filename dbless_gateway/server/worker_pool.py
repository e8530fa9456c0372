"""All workers of the node: each slot has one, a lost one is replaced, and all move to a configuration or
none does.

Moving has two phases. *Prepare*: every serving worker compiles beside what it serves. If one reports
problems, all forget the new version. *Activate*: all swap. A worker that dies in between holds nobody up; its
replacement, like any worker that was just starting, is brought to the version that is current by then
(``_catch_up``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbless_gateway.config.problems import Problem
from dbless_gateway.runtime.report import WorkerReport, merge_counts, retire
from dbless_gateway.server import logs
from dbless_gateway.server.bus import ChannelBus
from dbless_gateway.server.control import Activated, Boot, Broadcast, Failed, Message, Prepare, Ready, encode
from dbless_gateway.server.loading import Configuration
from dbless_gateway.server.receipts import Receipt
from dbless_gateway.server.worker_process import WorkerProcess, slice_frames

_log = logging.getLogger(__name__)

# A worker that ends sooner than this after its start crashes at once: the next start waits, twice as long
# each time.
STABLE_S = 10.0
FIRST_DELAY_S = 0.1
LAST_DELAY_S = 10.0

REPORT_INTERVAL_S = 1.0
# A loop that has not answered this many reports in a row hangs. Counted in questions and not in seconds:
# after the whole machine was suspended nobody has missed any.
UNANSWERED_REPORTS_MAX = 30

# A loop that is this many questions behind is busy, not dead.
LATE_REPORTS_MAX = 2

FRESH_REPORT_TIMEOUT_S = 0.5

# What of a receipt each worker has for itself; the rest is the same in all of them.
_SUMMED = frozenset({"idle_connections_kept"})


class StartError(Exception):
    """The workers do not come up; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Served:
    """A configuration with its version number, ready to be sent."""

    announced: Prepare
    configuration: Configuration
    frames: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What the worker of one slot is started with."""

    boot: Boot
    fds: tuple[int, ...]


class WorkerPool:
    """The workers of the node."""

    def __init__(self, command: Sequence[str], plans: Sequence[SlotPlan]) -> None:
        self.bus = ChannelBus(self._publish)
        self.on_joined: Callable[[], None] = lambda: None  # a worker serves that did not before
        self._command = command
        self._plans = plans
        self._workers: dict[int, WorkerProcess] = {}
        self._restarts = [0] * len(plans)
        self._retired: dict[str, int] = {}
        self._current: Served | None = None
        self._version = 0
        self._ending = False
        self._slots: list[asyncio.Task[None]] = []
        self._catching_up: set[asyncio.Task[Any]] = set()

    # Life.

    async def start(self, configuration: Configuration) -> tuple[Problem, ...]:
        """Start all workers with this configuration; return problems when a worker finds some."""
        self._current = self._next(configuration)
        first = [asyncio.get_running_loop().create_future() for _ in self._plans]
        self._slots = [asyncio.create_task(self._keep(slot, first[slot])) for slot in range(len(self._plans))]
        for outcome in await asyncio.gather(*first):
            if outcome is None:
                raise StartError("a worker ended before it served anything")
            if isinstance(outcome, Failed):
                return outcome.problems
        return ()

    async def end(self, *, drain_timeout_s: float | None) -> None:
        """End all workers: after what is in flight, at the latest after that time; at once without a time."""
        self._ending = True
        for worker in self._workers.values():
            if drain_timeout_s is None:
                worker.stop()
            else:
                worker.drain(drain_timeout_s)
        # A worker cuts what is left by itself; the margin is for one that does not.
        limit_s = 1.0 if drain_timeout_s is None else drain_timeout_s + 2.0
        if self._slots:
            await asyncio.wait(self._slots, timeout=limit_s)
        for worker in self._workers.values():
            worker.kill()
        for slot in self._slots:
            slot.cancel()  # It may be pausing before a replacement.
        await asyncio.gather(*self._slots, return_exceptions=True)
        await asyncio.gather(*(worker.wait() for worker in self._workers.values()))

    async def _keep(self, slot: int, first: asyncio.Future[Any]) -> None:
        delay_s = FIRST_DELAY_S
        while not self._ending:
            worker = await WorkerProcess.spawn(self._command, self._plans[slot].boot, self._plans[slot].fds)
            worker.on_broadcast = self._on_broadcast
            self._workers[slot] = worker
            if self._ending:
                worker.kill()
            began = time.monotonic()
            outcome = await self._catch_up(worker)
            is_first = not first.done()
            if is_first:
                first.set_result(outcome)
            code = await worker.wait()
            if is_first and not isinstance(outcome, Ready):
                return  # ``start`` has failed, and says so.
            self._retired = retire(self._retired, worker.report.get("counts", {}))
            if self._ending:
                return
            lived_s = time.monotonic() - began
            delay_s = FIRST_DELAY_S if lived_s > STABLE_S else min(delay_s * 2, LAST_DELAY_S)
            self._restarts[slot] += 1
            told = {"pid": worker.pid, "code": code, "after_s": lived_s}
            logs.event(_log, "alert", "a worker ended and is replaced", **told)
            await asyncio.sleep(delay_s)

    # Moving to a configuration.

    @property
    def configuration(self) -> Configuration | None:
        """What is served."""
        return self._current.configuration if self._current else None

    async def move(self, configuration: Configuration, receipt: Receipt) -> tuple[Problem, ...]:
        """Move all workers to this configuration; return the problems because of which none moved."""
        served = self._next(configuration)
        workers = [worker for worker in self._workers.values() if worker.state == "serving"]
        answers = await asyncio.gather(*(w.prepare(served.announced, served.frames) for w in workers))
        for answer in answers:
            if isinstance(answer, Failed):
                for worker in workers:
                    worker.abort(served.announced)
                return answer.problems
        # From here on there is no way back: whoever joins now is given the new version.
        self._current = served
        ready = [w for w, answer in zip(workers, answers, strict=True) if isinstance(answer, Ready)]
        swapped = await asyncio.gather(*(worker.activate(served.announced) for worker in ready))
        _note_swaps(receipt, [answer for answer in swapped if answer is not None])
        for worker in self._workers.values():
            if worker.state == "serving" and worker.version != served.announced.version:
                self._catch_up_later(worker)
        return ()

    def _next(self, configuration: Configuration) -> Served:
        self._version += 1
        announced = Prepare(self._version, configuration.hash, len(configuration.slices))
        return Served(announced, configuration, slice_frames(configuration.slices))

    async def _catch_up(self, worker: WorkerProcess) -> Ready | Failed | None:
        """Bring a worker to the version that is current, which may change meanwhile."""
        answer: Ready | Failed | None = None
        while (served := self._current) is not None and worker.version != served.announced.version:
            answer = await worker.prepare(served.announced, served.frames)
            if not isinstance(answer, Ready) or await worker.activate(served.announced) is None:
                # It cannot serve what the others serve; it is replaced after a pause.
                worker.kill()
                return answer if isinstance(answer, Failed) else None
        self.on_joined()
        return answer

    def _catch_up_later(self, worker: WorkerProcess) -> None:
        worker.state = "behind"  # So the next move leaves it alone meanwhile.
        task = asyncio.create_task(self._catch_up(worker))
        self._catching_up.add(task)
        task.add_done_callback(self._catching_up.discard)

    # Telling and asking.

    def tell(self, message: Message) -> None:
        """Send a message to all workers."""
        data = encode(message)
        for worker in self._workers.values():
            worker.channel.send_frame(data)

    def _publish(self, topic: str, payload: Any) -> None:
        self.tell(Broadcast(topic, payload))

    def _on_broadcast(self, sender: WorkerProcess, message: Broadcast) -> None:
        self.bus.deliver(message.topic, message.payload)
        data = encode(message)
        for worker in self._workers.values():
            if worker is not sender:
                worker.channel.send_frame(data)

    async def watch_over(self) -> None:
        """Ask for reports from time to time; a worker that never answers is killed, and so replaced."""
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            for worker in self._workers.values():
                if worker.unanswered_reports >= UNANSWERED_REPORTS_MAX:
                    logs.event(_log, "alert", "a worker hangs and is killed", pid=worker.pid)
                    worker.kill()
                worker.ask_report()

    def is_alive(self) -> bool:
        """Tell whether some worker's loop has answered lately."""
        return any(
            w.state == "serving" and w.unanswered_reports <= LATE_REPORTS_MAX for w in self._workers.values()
        )

    async def refresh_reports(self) -> None:
        """Let every worker report now; one that is busy keeps its last report."""
        serving = [worker for worker in self._workers.values() if worker.state != "gone"]
        await asyncio.gather(*(worker.fresh_report(FRESH_REPORT_TIMEOUT_S) for worker in serving))

    def reports(self) -> tuple[WorkerReport, ...]:
        """Return the last report of each slot."""
        return tuple(self._report(slot, worker) for slot, worker in sorted(self._workers.items()))

    def counts(self) -> Mapping[str, int]:
        """Return the node's counts."""
        live = [w.report.get("counts", {}) for w in self._workers.values() if w.state != "gone"]
        return merge_counts(live, self._retired)

    def _report(self, slot: int, worker: WorkerProcess) -> WorkerReport:
        return WorkerReport(
            index=slot,
            pid=worker.pid,
            state=worker.state,
            version=worker.version,
            configuration_hash=worker.hash,
            started_at=worker.started_at,
            restarts=self._restarts[slot],
            resident_bytes=worker.report.get("resident_bytes", 0),
            counts=worker.report.get("counts", {}),
        )


def _note_swaps(receipt: Receipt, swapped: Sequence[Activated]) -> None:
    """Put the workers' answers together: connections are each worker's own, the rest is the same in all."""
    receipt.swap_ms = max((answer.swap_ms for answer in swapped), default=0.0)
    for answer in swapped:
        own = {name: n + receipt.kept.get(name, 0) for name, n in answer.kept.items() if name in _SUMMED}
        receipt.kept.update({**answer.kept, **own})
