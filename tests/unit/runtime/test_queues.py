"""Batching queues: order, batches, retries, limits and closing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from dbless_gateway.runtime.queues import BatchQueue, QueueParameters, Queues

LOG = logging.getLogger("tests.queue")


class Sink:
    """Receives batches; fails as often as it is told to, and waits when its gate is closed."""

    def __init__(self, failures: int = 0) -> None:
        self.batches: list[list[Any]] = []
        self.attempts = 0
        self.started = asyncio.Semaphore(0)
        self.failures = failures
        self.gate = asyncio.Event()
        self.gate.set()
        self.got = asyncio.Condition()

    async def send(self, batch: Sequence[Any]) -> None:
        self.attempts += 1
        self.started.release()
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise ConnectionError("sink is down")
        async with self.got:
            self.batches.append(list(batch))
            self.got.notify_all()

    async def received(self, count: int) -> list[list[Any]]:
        """Wait until so many entries have come."""
        async with asyncio.timeout(60), self.got:
            await self.got.wait_for(lambda: sum(map(len, self.batches)) >= count)
        return self.batches


def make(sink: Sink, **parameters: Any) -> BatchQueue:
    return BatchQueue("q", QueueParameters.of(parameters), sink.send, LOG)


def test_parameters_have_kongs_defaults() -> None:
    assert QueueParameters.of({"max_batch_size": None, "max_entries": 5, "unknown": 1}) == QueueParameters(
        1, 1.0, 5, None, 60.0, 0.01, 60.0, 1
    )


async def _collect(count: int, **parameters: Any) -> list[list[Any]]:
    sink = Sink()
    queue = make(sink, **parameters)
    for number in range(count):
        queue.put(number)
    batches = await sink.received(count)
    await queue.close(1)
    assert queue.is_idle
    return batches


@pytest.mark.parametrize(
    ("parameters", "batches"),
    [
        ({}, [[0], [1], [2], [3], [4]]),
        ({"max_batch_size": 2, "max_coalescing_delay": 0}, [[0, 1], [2, 3], [4]]),
        ({"max_batch_size": 10, "max_coalescing_delay": 0.04}, [[0, 1, 2, 3, 4]]),
        ({"max_batch_size": 5, "max_coalescing_delay": 3600}, [[0, 1, 2, 3, 4]]),
    ],
)
def test_batches(parameters: dict[str, Any], batches: list[list[Any]]) -> None:
    assert asyncio.run(_collect(5, **parameters)) == batches


def test_a_coalescing_delay_that_passes_sends_what_is_there() -> None:
    assert asyncio.run(_collect(1, max_batch_size=10, max_coalescing_delay=0.06)) == [[0]]


def test_a_batch_that_becomes_full_is_sent_at_once() -> None:
    async def scenario() -> list[list[Any]]:
        sink = Sink()
        queue = make(sink, max_batch_size=2, max_coalescing_delay=3600)
        queue.put(1)
        await asyncio.sleep(0)
        queue.put(2)
        return await sink.received(2)

    assert asyncio.run(scenario()) == [[1, 2]]


def test_a_failing_batch_is_tried_again_in_order() -> None:
    async def scenario() -> Sink:
        sink = Sink(failures=3)
        queue = make(sink, initial_retry_delay=0.001)
        queue.put("a")
        queue.put("b")
        await sink.received(2)
        return sink

    sink = asyncio.run(scenario())
    assert (sink.batches, sink.attempts) == ([["a"], ["b"]], 5)


def test_a_batch_is_given_up_after_its_time(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> BatchQueue:
        sink = Sink(failures=1)
        queue = make(sink, max_retry_time=-1)
        queue.put("lost")
        queue.put("kept")
        assert await sink.received(1) == [["kept"]]
        return queue

    assert asyncio.run(scenario()).lost_entries == 1
    assert "max_retry_time exceeded. 1 queue entries were lost" in caplog.text


def test_retry_delays_grow_up_to_their_limit() -> None:
    queue = make_unused(initial_retry_delay=0.5, max_retry_delay=3)

    assert [queue._retry_delay_s(attempt) for attempt in (0, 1, 2, 3, 10_000)] == [0.5, 1, 2, 3, 3]


def make_unused(**parameters: Any) -> BatchQueue:
    async def send(batch: Sequence[Any]) -> None:
        raise AssertionError("never called")

    return BatchQueue("q", QueueParameters.of(parameters), send, LOG)


def test_a_full_queue_gives_up_its_oldest(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scenario() -> tuple[BatchQueue, list[list[Any]]]:
        sink = Sink()
        sink.gate.clear()
        queue = make(sink, max_entries=5)
        queue.put("first")
        await sink.started.acquire()
        for number in range(8):
            queue.put(number)
        assert len(queue) == 5
        sink.gate.set()
        await sink.received(6)
        await queue.close(1)
        return queue, sink.batches

    queue, batches = asyncio.run(scenario())
    assert batches == [["first"], [3], [4], [5], [6], [7]]
    assert queue.lost_entries == 3
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "queue q: queue at 80% capacity",
        "queue q: queue full, dropping old entries until processing is successful again",
        "queue q: resumed processing",
    ]


def test_bytes_are_limited(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> tuple[BatchQueue, list[list[Any]]]:
        sink = Sink()
        queue = make(sink, max_batch_size=10, max_coalescing_delay=0.06, max_bytes=10)
        for entry in (b"1234", b"5678", b"far too large", b"90123"):
            queue.put(entry)
        return queue, await sink.received(2)

    queue, batches = asyncio.run(scenario())
    assert batches == [[b"5678", b"90123"]]
    assert queue.lost_entries == 2
    assert "larger than max_bytes" in caplog.text
    assert "byte capacity exceeded, 1 queue entries were dropped" in caplog.text


def test_without_a_concurrency_limit_entries_go_at_once() -> None:
    async def scenario() -> tuple[BatchQueue, Sink]:
        sink = Sink()
        sink.gate.clear()
        queue = make(sink, concurrency_limit=-1, max_entries=3)
        for number in range(4):
            queue.put(number)
        for _ in range(3):
            await sink.started.acquire()
        sink.gate.set()
        await sink.received(3)
        return queue, sink

    queue, sink = asyncio.run(scenario())
    assert sorted(sink.batches) == [[0], [1], [2]]
    assert queue.lost_entries == 1


def test_close_sends_what_waits() -> None:
    async def scenario() -> list[list[Any]]:
        sink = Sink()
        queues = Queues(LOG)
        queue = queues.get("q", {"max_batch_size": 10, "max_coalescing_delay": 3600}, sink.send)
        queue.put(1)
        await asyncio.sleep(0)
        await queues.close(1)
        return sink.batches

    assert asyncio.run(scenario()) == [[1]]


def test_close_gives_up_at_its_deadline(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> BatchQueue:
        sink = Sink()
        sink.gate.clear()
        queue = make(sink)
        queue.put(1)
        queue.put(2)
        await queue.close(0.01)
        return queue

    queue = asyncio.run(scenario())
    assert queue.lost_entries == 2, "the one on its way, and the one behind it"
    assert "closed, 1 entries were lost" in caplog.text


def test_closing_an_idle_queue_is_nothing() -> None:
    asyncio.run(make_unused().close(1))


def test_the_newest_parameters_and_sender_apply() -> None:
    async def scenario() -> tuple[list[list[Any]], list[list[Any]]]:
        old, new = Sink(), Sink()
        old.gate.clear()
        queues = Queues(LOG)
        queue = queues.get("q", {}, old.send)
        queue.put("a")
        await old.started.acquire()
        queue.put("b")
        assert queues.get("q", {"max_batch_size": 7, "max_coalescing_delay": 0}, new.send) is queue
        old.gate.set()
        await new.received(1)
        assert queue.parameters.max_batch_size == 7
        await queues.close(1)
        assert queues.release({"q"}) == []
        assert queues.get("q", {}, new.send) is queue
        assert queues.release(()) == [queue]
        assert queues.get("q", {}, new.send) is not queue
        return old.batches, new.batches

    assert asyncio.run(scenario()) == ([["a"]], [["b"]])


def test_a_failure_without_a_text_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(batch: Sequence[Any]) -> None:
        raise TimeoutError

    async def scenario() -> None:
        queue = BatchQueue("q", QueueParameters.of({"max_retry_time": 0}), silent, LOG)
        queue.put("a")
        await queue.finish()

    asyncio.run(scenario())
    assert caplog.records[0].getMessage() == "queue q: could not send 1 entries: TimeoutError"
