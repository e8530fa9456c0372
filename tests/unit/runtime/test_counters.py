"""Counters agree with a dict, stay exact over processes, and keep within their memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.runtime.counters import DEFAULT_SLOTS, SharedCounters

FAR = time() + 3600


@pytest.fixture
def counters() -> Iterator[SharedCounters]:
    table = SharedCounters.create(slots=1024)
    yield table
    table.close()


def test_returns_the_count_before(counters: SharedCounters) -> None:
    assert [counters.increment("a", 2, None, FAR) for _ in range(3)] == [0, 2, 4]
    assert counters.read("a") == 6
    assert counters.read("b") == 0


def test_does_not_count_over_the_limit(counters: SharedCounters) -> None:
    assert [counters.increment("a", 1, 2, FAR) for _ in range(4)] == [0, 1, 2, 2]
    assert counters.read("a") == 2


def test_takes_back_but_never_below_zero(counters: SharedCounters) -> None:
    counters.increment("a", 2, None, FAR)
    counters.increment("a", -1, None, 0.0)
    assert counters.read("a") == 1
    counters.increment("a", -5, None, 0.0)
    counters.increment("unknown", -5, None, FAR)
    assert (counters.read("a"), counters.read("unknown")) == (0, 0)


def test_an_expired_counter_starts_again() -> None:
    clock = [FAR - 10]
    counters = SharedCounters.create(slots=8, now=lambda: clock[0])
    counters.increment("a", 3, None, FAR)
    clock[0] = FAR

    assert counters.read("a") == 0
    assert counters.increment("a", 1, 3, FAR + 60) == 0
    assert counters.read("a") == 1
    counters.close()


def test_a_full_bucket_gives_up_what_ends_first() -> None:
    counters = SharedCounters.create(slots=8)
    for index in range(8):
        counters.increment(f"key-{index}", 1, None, FAR + index)

    counters.increment("one more", 1, None, FAR + 100)

    assert [counters.read(f"key-{index}") for index in range(8)] == [0, 1, 1, 1, 1, 1, 1, 1]
    counters.close()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "é", "d" * 300]), st.integers(-3, 5), st.none() | st.integers(0, 9)
        )
    )
)
def test_agrees_with_a_dict(steps: list[tuple[str, int, int | None]]) -> None:
    counters = SharedCounters.create(slots=4096)
    model: dict[str, int] = {}
    for key, amount, limit in steps:
        before = model.get(key, 0)
        assert counters.increment(key, amount, limit, FAR) == before
        if limit is None or before < limit:
            model[key] = max(before + amount, 0)
        assert counters.read(key) == model.get(key, 0)
    counters.close()


def test_a_secret_is_the_nodes_own() -> None:
    here, there = SharedCounters.create(slots=8), SharedCounters.create(slots=8)
    worker = SharedCounters.attach(os.dup(here.fd), workers=1)

    assert len(here.secret("a")) == 32
    assert here.secret("a") == worker.secret("a")
    assert len({here.secret("a"), here.secret("b"), there.secret("a")}) == 3
    for counters in (here, there, worker):
        counters.close()


def test_is_exact_over_processes() -> None:
    counters = SharedCounters.create(slots=8, workers=4)
    passed_read, passed_write = os.pipe()
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            mine = SharedCounters.attach(counters.fd, workers=4)
            passed = sum(mine.increment("shared", 1, 1000, FAR) < 1000 for _ in range(500))
            os.write(passed_write, passed.to_bytes(4, "big"))
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    os.close(passed_write)
    reports = os.read(passed_read, 16)
    os.close(passed_read)

    assert counters.read("shared") == 1000
    assert sum(int.from_bytes(reports[at : at + 4], "big") for at in range(0, 16, 4)) == 1000
    counters.close()


@pytest.mark.slow
def test_a_million_identities_fit_the_memory_of_a_node() -> None:
    """Hardly anybody's count is given up before its window ends; a sixteenth of both tells the same."""
    whole = SharedCounters.create()
    assert os.fstat(whole.fd).st_size <= 65 * 1024 * 1024
    whole.close()
    table = SharedCounters.create(slots=DEFAULT_SLOTS // 16)
    identities = [f"r1:{number}" for number in range(1_000_000 // 16)]
    for identity in identities:
        table.increment(identity, 1, None, FAR)
    kept = sum(map(table.read, identities))
    assert kept > 0.99 * len(identities)
    table.close()
