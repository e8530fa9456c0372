"""Records on their way to a receiver: queued as JSON, one queue for each name."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dbless_gateway.pdk.record_queue import RecordQueue
from tests.support.plugin_context import FakeContext, FakeHost, make_env


async def send(records: Sequence[bytes]) -> None:
    """Nothing is sent here."""


def test_queue_is_made_on_first_use_and_shared_by_name() -> None:
    host = FakeHost()
    made = [
        RecordQueue(make_env(host), name, {"max_batch_size": 3}, {"extra": "return 1"}, send)
        for name in ("a", "a", "b")
    ]
    assert host.queues == {}
    ctx = FakeContext("GET", "/orders")
    ctx.respond(201)
    for records in made:
        records.put(ctx)

    assert {name: len(queue.entries) for name, queue in host.queues.items()} == {"a": 2, "b": 1}
    assert host.queues["b"].parameters == {"max_batch_size": 3}
    record = json.loads(host.queues["b"].entries[0])
    assert (record["request"]["method"], record["response"]["status"], record["extra"]) == ("GET", 201, 1)
