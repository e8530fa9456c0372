"""Counters in windows, exact over all workers of a node, in bounded memory.

A hash table in shared memory: a key's digest chooses a bucket of eight slots, and each slot holds the
digest, a count and the time when it ends. A full bucket gives up the slot that ends first, so memory is
bounded and only the counter that was about to be forgotten anyway is. With the default size (64 MB, of which
only touched pages exist) 1,000,000 live counters fill the buckets by half and about one in two hundred is
given up early.

It must not know what is counted. Expiry is wall-clock, because windows are; a clock that goes back keeps
counters longer, never shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Final

from dbless_gateway.runtime.sharedmem import HEADER_BYTES, SharedMemory

DEFAULT_SLOTS: Final = 1 << 21

# A slot is four words: digest (two), count, expiry (a real; 0.0 means empty). Eight slots are four cache
# lines.
_SLOT_WORDS: Final = 4
_BUCKET_WORDS: Final = 8 * _SLOT_WORDS
_BUCKET_BYTES: Final = 8 * _BUCKET_WORDS
_HEADER_WORDS: Final = HEADER_BYTES // 8
# A key is about a hundred bytes long: a megabyte at most.
_PLACES_REMEMBERED: Final = 4096


class SharedCounters:
    """Counters shared by all processes that hold the same descriptor; satisfies ``pdk.plugin.Counters``."""

    __slots__ = ("_buckets", "_locking", "_memory", "_now", "_places", "_reals", "_words")

    def __init__(self, memory: SharedMemory, now: Callable[[], float] = time) -> None:
        self._memory = memory
        self._now = now
        self._words = memory.words
        self._reals = memory.reals
        self._locking = memory.locking
        self._places: dict[str, tuple[int, int, int]] = {}
        self._buckets = (len(memory.data) - HEADER_BYTES) // _BUCKET_BYTES

    @classmethod
    def create(
        cls, *, slots: int = DEFAULT_SLOTS, workers: int = 1, now: Callable[[], float] = time
    ) -> SharedCounters:
        """Make an empty table; ``slots`` is rounded up to whole buckets."""
        size_bytes = -(-slots // 8) * _BUCKET_BYTES
        return cls(SharedMemory.create("dbless-counters", size_bytes, locking=workers > 1), now)

    @classmethod
    def attach(cls, fd: int, *, workers: int, now: Callable[[], float] = time) -> SharedCounters:
        """Map the table that another process made."""
        return cls(SharedMemory(fd, locking=workers > 1), now)

    @property
    def fd(self) -> int:
        """Return the descriptor to hand to other processes."""
        return self._memory.fd

    def increment(self, key: str, amount: int, limit: float | None, expires_at: float) -> int:
        """Add ``amount`` unless the count has reached ``limit`` already; return the count before.

        A negative ``amount`` takes back; a count never falls below 0.
        """
        place = self._places.get(key)
        if place is None:
            place = self._place(key)
        low, high, first = place
        if not self._locking:
            return self._add(first, low, high, amount, limit, expires_at)
        with self._memory.exclusive(first * 8, _BUCKET_BYTES):
            return self._add(first, low, high, amount, limit, expires_at)

    def read(self, key: str) -> int:
        """Return the count, 0 when there is none."""
        low, high, first = self._place(key)
        with self._memory.shared(first * 8, _BUCKET_BYTES):
            slot = self._find(first, low, high)
            return self._words[slot + 2] if slot and self._reals[slot + 3] > self._now() else 0

    def secret(self, purpose: str) -> bytes:
        """Return 32 bytes that only the processes of this node can know, until it is started anew."""
        parts = (self._memory.digest(f"secret {half} {purpose}".encode()) for half in (1, 2))
        return b"".join(word.to_bytes(8, "little") for part in parts for word in part)

    def close(self) -> None:
        """Give this process's mapping back."""
        self._memory.close()

    def _place(self, key: str) -> tuple[int, int, int]:
        """Return the key's digest and where its bucket begins; the same few keys come again and again."""
        low, high = self._memory.digest(key.encode("utf-8", "surrogatepass"))
        place = low, high, _HEADER_WORDS + low % self._buckets * _BUCKET_WORDS
        if len(self._places) >= _PLACES_REMEMBERED:
            self._places.clear()
        self._places[key] = place
        return place

    def _add(
        self, first: int, low: int, high: int, amount: int, limit: float | None, expires_at: float
    ) -> int:
        words = self._words
        # Most counters live in the first slot of their bucket.
        slot = first if words[first] == low and words[first + 1] == high else self._find(first, low, high)
        before = words[slot + 2] if slot and self._reals[slot + 3] > self._now() else 0
        if limit is not None and before >= limit:
            return before
        if before:
            words[slot + 2] = before + amount if before + amount > 0 else 0
        elif amount > 0:
            slot = slot or self._ending_first(first)
            words[slot] = low
            words[slot + 1] = high
            words[slot + 2] = amount
            self._reals[slot + 3] = expires_at
        return before

    def _find(self, first: int, low: int, high: int) -> int:
        words = self._words
        for slot in range(first, first + _BUCKET_WORDS, _SLOT_WORDS):
            if words[slot] == low and words[slot + 1] == high:
                return slot
        return 0

    def _ending_first(self, first: int) -> int:
        slots = range(first, first + _BUCKET_WORDS, _SLOT_WORDS)
        return min(slots, key=lambda slot: self._reals[slot + 3])
