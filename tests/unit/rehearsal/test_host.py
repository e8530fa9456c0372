"""What plugins are lent: counters and a cache that behave as the shared ones, and silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dbless_gateway.pdk.plugin import Cache, Counters, Host
from dbless_gateway.rehearsal.host import MemoryCache, MemoryCounters, RehearsalHost
from dbless_gateway.runtime.cache import RingCache
from dbless_gateway.runtime.counters import SharedCounters


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


MAKERS: dict[str, Callable[[Clock], Any]] = {
    "memory": lambda clock: (MemoryCounters(clock), MemoryCache(clock)),
    "shared": lambda clock: (
        SharedCounters.create(slots=64, now=clock),
        RingCache.create(ring_bytes=65536, now=clock),
    ),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_counters_behave_as_the_shared_ones(kind: str) -> None:
    clock = Clock()
    counters: Counters = MAKERS[kind](clock)[0]

    assert counters.increment("a", 1, None, 1010.0) == 0
    assert counters.increment("a", 2, 3, 9999.0) == 1
    assert counters.increment("a", 1, 3, 1010.0) == 3
    assert counters.read("a") == 3
    assert counters.increment("a", -5, None, 1010.0) == 3
    assert counters.read("a") == 0
    assert counters.read("b") == 0
    counters.increment("a", 2, None, 1010.0)
    clock.now_s = 1011.0
    assert counters.read("a") == 0
    assert counters.increment("a", 1, None, 1020.0) == 0


@pytest.mark.parametrize("kind", MAKERS)
def test_the_cache_behaves_as_the_shared_one(kind: str) -> None:
    clock = Clock()
    cache: Cache = MAKERS[kind](clock)[1]

    assert cache.get(b"a") is None
    assert cache.put(b"a", b"1", 10.0)
    assert cache.get(b"a") == b"1"
    assert cache.delete(b"a")
    assert not cache.delete(b"a")
    cache.put(b"a", b"2", 10.0)
    clock.now_s = 1011.0
    assert cache.get(b"a") is None
    assert not cache.put(b"b", bytes(cache.entry_limit_bytes + 1), 10.0)


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
