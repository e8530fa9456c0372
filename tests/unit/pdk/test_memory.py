"""Counters and a cache in plain memory behave as the shared ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dbless_gateway.pdk.memory import MemoryCache, MemoryCounters
from dbless_gateway.pdk.plugin import Cache, Counters
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
    assert cache.find(b"a", bytes.decode) == "1"
    assert cache.delete(b"a")
    assert cache.find(b"a", bytes.decode) is None
    assert not cache.delete(b"a")
    cache.put(b"a", b"2", 10.0)
    clock.now_s = 1011.0
    assert cache.get(b"a") is None
    assert not cache.put(b"b", bytes(cache.entry_limit_bytes + 1), 10.0)
