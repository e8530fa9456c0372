"""The ``queue`` record of plugins that send in the background, and the old fields that override it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dbless_gateway.config.records import dataclass

# The old defaults: an old field that says so says nothing.
_OLD_QUEUE_SIZE = 1
_OLD_FLUSH_TIMEOUT_S = 2


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """Kong's queue parameters; times in seconds."""

    max_batch_size: int | None
    max_coalescing_delay: float | None
    max_entries: int | None
    max_bytes: int | None
    max_retry_time: float | None
    initial_retry_delay: float | None
    max_retry_delay: float | None
    concurrency_limit: int | None


def queue_parameters(
    queue: QueueConfig, queue_size: int | None = None, flush_timeout: float | None = None
) -> dict[str, Any]:
    """Return what ``Host.queue`` takes; ``queue_size`` and ``flush_timeout`` are fields of Kong 2.8."""
    parameters = asdict(queue)
    if queue_size not in (None, _OLD_QUEUE_SIZE):
        parameters["max_batch_size"] = queue_size
    if flush_timeout not in (None, _OLD_FLUSH_TIMEOUT_S):
        parameters["max_coalescing_delay"] = flush_timeout
    return parameters


def fire_and_forget() -> dict[str, Any]:
    """Return the parameters of a plugin without a queue of its own: whatever waits is sent at once, and
    once.
    """
    return {"max_batch_size": 1000, "max_coalescing_delay": 0, "max_retry_time": 0}
