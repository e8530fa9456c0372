"""Queue parameters and the old fields."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.config import build_config
from dbless_gateway.pdk.queue_config import QueueConfig, fire_and_forget, queue_parameters


@pytest.mark.parametrize(
    ("queue_size", "flush_timeout", "batch", "delay"),
    [(None, None, 5, 0.5), (1, 2, 5, 0.5), (9, 3, 9, 3), (1, 0, 5, 0)],
)
def test_old_fields_override_when_they_say_something(
    queue_size: int | None, flush_timeout: float | None, batch: int, delay: float
) -> None:
    config = build_config(QueueConfig, {"max_batch_size": 5, "max_coalescing_delay": 0.5})
    parameters = queue_parameters(config, queue_size, flush_timeout)

    assert (parameters["max_batch_size"], parameters["max_coalescing_delay"]) == (batch, delay)


def test_fire_and_forget_tries_once() -> None:
    assert fire_and_forget()["max_retry_time"] == 0
