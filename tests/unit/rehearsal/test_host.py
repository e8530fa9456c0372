"""What plugins are lent: counters and a cache that behave as the shared ones, and silence."""

from __future__ import annotations

from typing import Any

from dbless_gateway.pdk.plugin import Host
from dbless_gateway.rehearsal.host import RehearsalHost


def test_forgetting_starts_anew_at_a_moment() -> None:
    host = RehearsalHost()
    lent: Host = host
    lent.counters.increment("a", 1, None, host.now() + 60)
    lent.cache.put(b"a", b"1", 60)
    assert lent.counters.read("a") == 1

    host.forget(5000.0)

    assert host.now() == 5000.0
    assert lent.counters.read("a") == 0
    assert lent.cache.get(b"a") is None


def test_secrets_are_the_same_in_every_rehearsal() -> None:
    assert RehearsalHost().secret("a") == RehearsalHost().secret("a")
    assert len(RehearsalHost().secret("a")) == 32
    assert RehearsalHost().secret("a") != RehearsalHost().secret("b")


def test_resources_are_made_once_unless_they_write_past_the_loop() -> None:
    host = RehearsalHost()

    assert host.resource("redis:a", list) is host.resource("redis:a", list)

    def must_not_be_made() -> Any:
        raise AssertionError

    for name in ("file-log:/x", "syslog"):
        silence = host.resource(name, must_not_be_made)
        silence.append(b"line")
        silence.send(b"line")
        silence.close()


def test_queues_and_metrics_take_everything() -> None:
    host = RehearsalHost()

    async def send(batch: object) -> None:
        raise AssertionError

    host.queue("q", {}, send).put("entry")
    host.metrics.counter("kong_http_requests_total", ())(1)
    host.metrics.histogram("kong_kong_latency_ms", ())(1)
