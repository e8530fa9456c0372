"""Batching queues: what plugins send to somebody else, in the background, bounded and with retries.

One queue per worker and name. A request only ever appends to a deque; a task per queue takes what is there,
waits a moment for more, and hands batches to the plugin's ``send``. Parameters and behaviour are Kong's.
Rules of the file:

1. ``put`` never waits and never fails: a full queue gives up its oldest entry and says so once in the log.
2. ``send`` fails by raising; the batch is tried again with a growing delay until ``max_retry_time`` has
passed. 3. The newest parameters and ``send`` of a name apply, so a reload takes over the queue as it is.
4. ``close`` sends what is left without waiting for more, and gives up at its deadline; ``finish`` goes on
trying for as long as the queue always does.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, fields
from time import monotonic
from typing import Any

Send = Callable[[Sequence[Any]], Awaitable[None]]
CountLost = Callable[[str, int], None]  # name of the queue, entries

# What counts for ``max_bytes``.
_SIZED = (str, bytes)

# Not worth a timer: the rest of a coalescing delay below this is skipped.
_SHORTEST_WAIT_S = 0.05

# A queue that is so full gets a warning before it loses anything.
_WARNING_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class QueueParameters:
    """Kong's queue parameters with their defaults; times in seconds."""

    max_batch_size: int = 1
    max_coalescing_delay: float = 1.0
    max_entries: int = 10_000
    max_bytes: int | None = None
    max_retry_time: float = 60.0
    initial_retry_delay: float = 0.01
    max_retry_delay: float = 60.0
    concurrency_limit: int = 1

    @classmethod
    def of(cls, values: dict[str, Any]) -> QueueParameters:
        """Return the parameters of a ``queue`` record; what it does not say has its default."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known and value is not None})


class BatchQueue:
    """One queue; satisfies ``pdk.plugin.Queue``."""

    def __init__(
        self,
        name: str,
        parameters: QueueParameters,
        send: Send,
        log: logging.Logger,
        count_lost: CountLost | None = None,
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.send = send
        self.lost_entries = 0
        self._count_lost = count_lost
        self._log = log
        self._entries: deque[Any] = deque()
        self._size_bytes = 0  # of what waits, where there is a limit to it
        self._full_batch = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._waits_for_more = True
        self._warned_capacity = False
        self._warned_full = False

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Any) -> None:
        """Accept an entry; never waits."""
        parameters = self.parameters
        if parameters.concurrency_limit == -1:
            self._deliver_at_once(entry)
            return
        entries = self._entries
        if parameters.max_bytes is not None and not self._make_room(_size_of(entry), parameters.max_bytes):
            return
        if len(entries) >= parameters.max_entries:
            self._drop_oldest()
        entries.append(entry)
        count = len(entries)
        if self._warned_capacity or count >= parameters.max_entries * _WARNING_SHARE:
            self._watch_capacity()
        if count >= parameters.max_batch_size:
            self._full_batch.set()
        if self._runner is None:
            self._runner = self._start(self._run())

    def adopt(self, parameters: QueueParameters, send: Send) -> None:
        """Go on with these parameters and this sender."""
        self.parameters = parameters
        self.send = send
        self._size_bytes = sum(map(_size_of, self._entries))

    async def close(self, timeout_s: float) -> None:
        """Send what is left, without waiting for more."""
        self._is_closing = True
        self._stop_waiting()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        if self._entries:
            self._log.error("queue %s: closed, %d entries were lost", self.name, len(self._entries))
            self._lose(len(self._entries))

    async def finish(self) -> None:
        """Send what is left without waiting for more, with the retries that the queue has."""
        self._stop_waiting()
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing waits and nothing is on its way."""
        return not self._entries and not self._tasks

    def _stop_waiting(self) -> None:
        self._waits_for_more = False
        self._full_batch.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _deliver_at_once(self, entry: Any) -> None:
        # Kong sets no limit here; ours is the one of waiting entries, because a dead sink must cost bounded
        # memory.
        if len(self._tasks) >= self.parameters.max_entries:
            self._lose(1)
        else:
            self._start(self._deliver([entry]))

    async def _run(self) -> None:
        """Deliver batches until nothing is left; the next entry starts a new task."""
        try:
            await self._run_until_empty()
        finally:
            self._runner = None

    async def _run_until_empty(self) -> None:
        while self._entries:
            await self._coalesce()
            count = min(self.parameters.max_batch_size, len(self._entries))
            batch = [self._entries.popleft() for _ in range(count)]
            if self.parameters.max_bytes is not None:
                self._size_bytes -= sum(map(_size_of, batch))
            await self._deliver(batch)
            if self._warned_full and len(self._entries) < self.parameters.max_entries:
                self._warned_full = False
                self._log.info("queue %s: resumed processing", self.name)

    async def _coalesce(self) -> None:
        until = monotonic() + self.parameters.max_coalescing_delay
        while len(self._entries) < self.parameters.max_batch_size and self._waits_for_more:
            wait_s = until - monotonic()
            if wait_s < _SHORTEST_WAIT_S:
                return
            self._full_batch.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._full_batch.wait()
            except TimeoutError:
                return

    async def _deliver(self, batch: list[Any]) -> None:
        started = monotonic()
        attempt = 0
        while True:
            try:
                await self.send(batch)
                return
            except asyncio.CancelledError:
                self._lose(len(batch))
                raise
            except Exception as error:  # noqa: BLE001 - a sender's failure is never the gateway's.
                # Some have no text, as TimeoutError.
                reason = str(error) or type(error).__name__
                self._log.warning("queue %s: could not send %d entries: %s", self.name, len(batch), reason)
            if monotonic() - started > self.parameters.max_retry_time or self._is_closing:
                self._lose(len(batch))
                self._log.error(
                    "queue %s: could not send entries due to max_retry_time exceeded. "
                    "%d queue entries were lost",
                    self.name,
                    len(batch),
                )
                return
            await asyncio.sleep(self._retry_delay_s(attempt))
            attempt += 1

    def _retry_delay_s(self, attempt: int) -> float:
        # The exponent is bounded, because the delay is: 2 ** 40 seconds is longer than any limit.
        delay_s: float = self.parameters.initial_retry_delay * 2 ** min(attempt, 40)
        return min(self.parameters.max_retry_delay, delay_s)

    def _make_room(self, size_bytes: int, max_bytes: int) -> bool:
        if size_bytes > max_bytes:
            self._lose(1)
            self._log.error("queue %s: an entry of %d bytes is larger than max_bytes", self.name, size_bytes)
            return False
        self._size_bytes += size_bytes
        dropped = 0
        while self._entries and self._size_bytes > max_bytes:
            self._forget_oldest()
            dropped += 1
        if dropped:
            self._log.error(
                "queue %s: byte capacity exceeded, %d queue entries were dropped", self.name, dropped
            )
        return True

    def _drop_oldest(self) -> None:
        self._forget_oldest()
        if not self._warned_full:
            self._warned_full = True
            self._log.error(
                "queue %s: queue full, dropping old entries until processing is successful again", self.name
            )

    def _forget_oldest(self) -> None:
        entry = self._entries.popleft()
        if self.parameters.max_bytes is not None:
            self._size_bytes -= _size_of(entry)
        self._lose(1)

    def _lose(self, count: int) -> None:
        self.lost_entries += count
        if self._count_lost is not None:
            self._count_lost(self.name, count)

    def _watch_capacity(self) -> None:
        is_near = len(self._entries) >= self.parameters.max_entries * _WARNING_SHARE
        if is_near and not self._warned_capacity:
            self._log.warning("queue %s: queue at 80%% capacity", self.name)
        self._warned_capacity = is_near


def _size_of(entry: Any) -> int:
    return len(entry) if isinstance(entry, _SIZED) else 0


class Queues:
    """The queues of one worker, by name; ``count_lost`` hears of entries that were not delivered."""

    def __init__(self, log: logging.Logger, count_lost: CountLost | None = None) -> None:
        self._log = log
        self._count_lost = count_lost
        self._queues: dict[str, BatchQueue] = {}
        self._released: list[BatchQueue] = []

    def get(self, name: str, parameters: dict[str, Any], send: Send) -> BatchQueue:
        """Return the queue of that name, made on first use; the newest parameters and ``send`` apply."""
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = BatchQueue(
                name, QueueParameters.of(parameters), send, self._log, self._count_lost
            )
        else:
            queue.adopt(QueueParameters.of(parameters), send)
        return queue

    def release(self, kept: Collection[str]) -> list[BatchQueue]:
        """Forget the queues of other names, and return them: they are to be finished."""
        released = [queue for name, queue in self._queues.items() if name not in kept]
        self._queues = {name: queue for name, queue in self._queues.items() if name in kept}
        self._released = [queue for queue in self._released if not queue.is_idle] + released
        return released

    async def close(self, timeout_s: float) -> None:
        """Empty all queues, together within the time."""
        queues = [*self._queues.values(), *self._released]
        await asyncio.gather(*(queue.close(timeout_s) for queue in queues))
