"""A cache of byte strings, shared by all workers of a node, bounded by construction.

Values are written into a ring, one after the other; when the ring is full the write position laps the oldest
ones. So eviction is first in, first out, costs nothing, and no memory ever fragments. An index like the
table of counters (buckets of eight slots) finds a value: digest, position, length, expiry. Rules of the file:

1. Positions only grow; the place in the ring is the position modulo the ring's size. An entry is alive while
the write
   position is at most one ring ahead of its own, so nobody has to erase what was overwritten.
2. A writer moves the write position first, then writes the bytes, then the slot, and its expiry last. A
process that
   dies in between leaves a missing entry, never a wrong one.
3. One lock for everything: it is held for one copy of the value, and several readers share it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time

from dbless_gateway.runtime.sharedmem import HEADER_BYTES, SharedMemory

DEFAULT_RING_BYTES = 128 * 1024 * 1024

# One slot of the index for each KB of the ring: typical API answers are larger, so the ring is full before
# the index.
_BYTES_PER_SLOT = 1024

# No value may take more than this share of the ring, else one download would evict everything else.
_LARGEST_SHARE = 8

# A slot is five words: digest (two), position, length, expiry (a real; 0.0 means empty).
_SLOT_WORDS = 5
_BUCKET_WORDS = 8 * _SLOT_WORDS
_BUCKET_BYTES = 8 * _BUCKET_WORDS
_HEADER_WORDS = HEADER_BYTES // 8

# Words of the header, behind the hashing key (four words): where the next value goes, and the number of
# buckets.
_WRITE_POSITION = 4
_BUCKETS = 5


class RingCache:
    """Byte strings with a time to live; satisfies ``pdk.plugin.Cache``."""

    __slots__ = (
        "_buckets",
        "_memory",
        "_now",
        "_reals",
        "_ring_bytes",
        "_ring_start",
        "_words",
        "entry_limit_bytes",
    )

    def __init__(self, memory: SharedMemory, now: Callable[[], float] = time) -> None:
        self._memory = memory
        self._now = now
        self._words = memory.words
        self._reals = memory.reals
        self._buckets = memory.words[_BUCKETS]
        self._ring_start = HEADER_BYTES + self._buckets * _BUCKET_BYTES
        self._ring_bytes = len(memory.data) - self._ring_start
        self.entry_limit_bytes = self._ring_bytes // _LARGEST_SHARE

    @classmethod
    def create(
        cls, *, ring_bytes: int = DEFAULT_RING_BYTES, workers: int = 1, now: Callable[[], float] = time
    ) -> RingCache:
        """Make an empty cache that holds so many bytes of values."""
        buckets = max(1, ring_bytes // _BYTES_PER_SLOT // 8)
        index_bytes = buckets * _BUCKET_BYTES
        ring_bytes = -(-ring_bytes // 8) * 8
        memory = SharedMemory.create("dbless-cache", index_bytes + ring_bytes, locking=workers > 1)
        memory.words[_BUCKETS] = buckets
        return cls(memory, now)

    @classmethod
    def attach(cls, fd: int, *, workers: int, now: Callable[[], float] = time) -> RingCache:
        """Map the cache that another process made."""
        return cls(SharedMemory(fd, locking=workers > 1), now)

    @property
    def fd(self) -> int:
        """Return the descriptor to hand to other processes."""
        return self._memory.fd

    def get(self, key: bytes) -> bytes | None:
        """Return a copy of the value, or None when it is not there any more."""
        low, high = self._memory.digest(key)
        with self._memory.shared(0, HEADER_BYTES):
            slot = self._find(low, high)
            if not slot or not self._is_alive(slot, self._now()):
                return None
            start = self._place(self._words[slot + 2])
            return self._memory.data[start : start + self._words[slot + 3]]

    def put(self, key: bytes, value: bytes, ttl_s: float) -> bool:
        """Store a value; False when it is too large to be kept."""
        if len(value) > self.entry_limit_bytes:
            return False
        low, high = self._memory.digest(key)
        with self._memory.exclusive(0, HEADER_BYTES):
            now = self._now()
            slot = self._find(low, high) or self._worst(low, now)
            self._reals[slot + 4] = 0.0
            position = self._append(value)
            self._words[slot] = low
            self._words[slot + 1] = high
            self._words[slot + 2] = position
            self._words[slot + 3] = len(value)
            self._reals[slot + 4] = now + ttl_s
        return True

    def delete(self, key: bytes) -> bool:
        """Forget a value; tell whether it was there."""
        low, high = self._memory.digest(key)
        with self._memory.exclusive(0, HEADER_BYTES):
            slot = self._find(low, high)
            if not slot:
                return False
            alive = self._is_alive(slot, self._now())
            self._reals[slot + 4] = 0.0
            return alive

    def clear(self) -> None:
        """Forget everything: the write position overtakes every entry."""
        with self._memory.exclusive(0, HEADER_BYTES):
            self._words[_WRITE_POSITION] += self._ring_bytes + 1

    def close(self) -> None:
        """Give this process's mapping back."""
        self._memory.close()

    def _append(self, value: bytes) -> int:
        position = self._words[_WRITE_POSITION]
        room = self._ring_bytes - position % self._ring_bytes
        if len(value) > room:
            position += room
        self._words[_WRITE_POSITION] = position + len(value)
        start = self._place(position)
        self._memory.data[start : start + len(value)] = value
        return position

    def _place(self, position: int) -> int:
        return self._ring_start + position % self._ring_bytes

    def _is_alive(self, slot: int, now: float) -> bool:
        lead = self._words[_WRITE_POSITION] - self._words[slot + 2]
        return self._reals[slot + 4] > now and lead <= self._ring_bytes

    def _slots(self, low: int) -> range:
        first = _HEADER_WORDS + low % self._buckets * _BUCKET_WORDS
        return range(first, first + _BUCKET_WORDS, _SLOT_WORDS)

    def _find(self, low: int, high: int) -> int:
        words = self._words
        for slot in self._slots(low):
            if words[slot] == low and words[slot + 1] == high:
                return slot
        return 0

    def _worst(self, low: int, now: float) -> int:
        """Return the slot to give up: a dead one, else the one whose value the ring will lap first."""
        return min(
            self._slots(low), key=lambda slot: self._words[slot + 2] if self._is_alive(slot, now) else -1
        )
