"""The ring cache agrees with a dict as long as nothing is lapped, and forgets the oldest first."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.runtime.cache import RingCache


@pytest.fixture
def cache() -> Iterator[RingCache]:
    ring = RingCache.create(ring_bytes=64 * 1024)
    yield ring
    ring.close()


def test_keeps_values(cache: RingCache) -> None:
    assert cache.put(b"a", b"value", 60)
    assert cache.put(b"empty", b"", 60)

    assert (cache.get(b"a"), cache.get(b"empty"), cache.get(b"b")) == (b"value", b"", None)


def test_forgets_after_the_time_to_live() -> None:
    clock = [1000.0]
    cache = RingCache.create(ring_bytes=8192, now=lambda: clock[0])
    cache.put(b"a", b"value", 60)
    clock[0] += 59
    assert cache.get(b"a") == b"value"
    clock[0] += 1

    assert cache.get(b"a") is None
    assert not cache.delete(b"a")
    cache.close()


def test_delete_and_clear(cache: RingCache) -> None:
    for key in (b"a", b"b"):
        cache.put(key, b"value", 60)

    assert [cache.delete(b"a"), cache.delete(b"a"), cache.delete(b"never")] == [True, False, False]
    assert cache.get(b"a") is None
    cache.clear()
    assert cache.get(b"b") is None
    cache.put(b"b", b"again", 60)
    assert cache.get(b"b") == b"again"


def test_refuses_what_would_evict_too_much(cache: RingCache) -> None:
    assert cache.entry_limit_bytes == 8192
    assert cache.put(b"a", bytes(8192), 60)
    assert not cache.put(b"a", bytes(8193), 60)


def test_the_oldest_values_are_lapped_first(cache: RingCache) -> None:
    keys = [b"key-%d" % index for index in range(20)]
    for key in keys:
        cache.put(key, key * 800, 60)

    kept = [key for key in keys if cache.get(key) is not None]

    assert kept == keys[-len(kept) :]
    assert 8 <= len(kept) < 20
    assert all(cache.get(key) == key * 800 for key in kept)


def test_a_full_bucket_gives_up_dead_entries_then_the_oldest() -> None:
    cache = RingCache.create(ring_bytes=8 * 1024)  # A single bucket.
    for index in range(8):
        cache.put(b"key-%d" % index, b"v", 60)
    cache.delete(b"key-5")

    cache.put(b"new", b"v", 60)
    assert cache.get(b"key-0") == b"v"
    cache.put(b"newer", b"v", 60)
    assert cache.get(b"key-0") is None
    assert cache.get(b"key-1") == b"v"
    cache.close()


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "get", "delete", "clear"]),
            st.sampled_from([b"a", b"b", b"c", b""]),
            st.binary(max_size=1000),
        ),
        max_size=60,
    )
)
def test_never_answers_wrongly(steps: list[tuple[str, bytes, bytes]]) -> None:
    """Whatever is answered is what a dict holds; a miss is allowed only for what may have been lapped."""
    cache = RingCache.create(ring_bytes=16 * 1024)
    model: dict[bytes, bytes] = {}
    written = 0
    for action, key, value in steps:
        if action == "put":
            assert cache.put(key, value, 60)
            model[key] = value
            written += len(value)
        elif action == "delete":
            cache.delete(key)
            model.pop(key, None)
        elif action == "clear":
            cache.clear()
            model.clear()
        found = cache.get(key)
        assert found == model.get(key) or (found is None and written > 12 * 1024)
    cache.close()


def test_workers_see_each_others_values_whole() -> None:
    cache = RingCache.create(ring_bytes=32 * 1024, workers=3)
    children = []
    for worker in range(3):
        pid = os.fork()
        if pid == 0:
            mine = RingCache.attach(cache.fd, workers=3)
            for turn in range(300):
                mine.put(b"key-%d" % (turn % 5), bytes([worker]) * (1000 + turn), 60)
                seen = mine.get(b"key-%d" % ((turn + 1) % 5))
                if seen is not None and len(set(seen)) != 1:
                    os._exit(1)
            os._exit(0)
        children.append(pid)

    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
    seen = cache.get(b"key-4")
    assert seen is not None
    assert len(seen) == 1299
    cache.close()


def decode(value: bytes) -> list[bytes]:
    return [value]


def test_finds_the_very_object_of_the_last_time_while_the_value_is_the_same(cache: RingCache) -> None:
    cache.put(b"a", b"1", 60)
    first = cache.find(b"a", decode)

    assert first == [b"1"]
    assert cache.find(b"a", decode) is first
    cache.put(b"a", b"1", 60)
    assert cache.find(b"a", decode) == [b"1"]
    assert cache.find(b"a", decode) is not first


def test_does_not_find_what_was_decoded_before_but_is_gone() -> None:
    clock = [1000.0]
    cache = RingCache.create(ring_bytes=8 * 1024, now=lambda: clock[0])  # A single bucket.

    def find_again(key: bytes = b"a") -> list[bytes] | None:
        cache.put(key, b"1", 60)
        assert cache.find(key, decode) == [b"1"]
        return None

    find_again()
    cache.delete(b"a")
    assert cache.find(b"a", decode) is None
    find_again()
    cache.clear()
    assert cache.find(b"a", decode) is None
    find_again()
    for index in range(8):
        cache.put(b"key-%d" % index, b"v", 60)
    assert cache.find(b"a", decode) is None, "its slot was given up"
    find_again()
    for _ in range(9):
        cache.put(b"large", bytes(1000), 60)
    assert cache.find(b"a", decode) is None, "the ring lapped it"
    find_again()
    clock[0] += 60
    assert cache.find(b"a", decode) is None
    cache.close()


def test_an_empty_value_does_not_pass_for_the_next_one(cache: RingCache) -> None:
    cache.put(b"a", b"", 60)
    assert cache.find(b"a", decode) == [b""]
    cache.put(b"a", b"1", 60)

    assert cache.find(b"a", decode) == [b"1"]


def test_what_is_decoded_stays_within_its_bound() -> None:
    cache = RingCache.create(ring_bytes=64 * 1024 * 1024)
    keys = [b"key-%d" % index for index in range(100)]
    objects = {}
    for key in keys:
        cache.put(key, bytes(200_000), 60)
        objects[key] = cache.find(key, decode)
    kept = [key for key in keys[::-1] if cache.find(key, decode) is objects[key]]

    assert 30 <= len(kept) < 42
    assert set(kept) <= set(keys[-len(kept) - 1 :]), "the oldest went first"
    cache.put(b"huge", bytes(1_000_000), 60)
    assert cache.find(b"huge", decode) is not cache.find(b"huge", decode)
    cache.close()


def test_a_worker_finds_no_more_what_another_replaced_or_deleted() -> None:
    cache = RingCache.create(ring_bytes=32 * 1024, workers=2)
    other = RingCache.attach(os.dup(cache.fd), workers=2)
    cache.put(b"a", b"1", 60)
    assert cache.find(b"a", decode) == other.find(b"a", decode) == [b"1"]

    other.put(b"a", b"2", 60)
    assert cache.find(b"a", decode) == [b"2"]
    other.delete(b"a")
    assert cache.find(b"a", decode) is None
    cache.put(b"a", b"3", 60)
    assert other.find(b"a", decode) == [b"3"]
    cache.clear()
    assert other.find(b"a", decode) is None
    cache.close()
    other.close()
