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
3. One lock for everything: it is held for one copy of the value, and several readers share it. With a single
   worker there is none, and the supervisor may copy while that worker writes: a reader looks again afterwards.
4. No position is used twice, so a position says which writing a slot holds. ``find`` needs no lock to see that
   what it made of a value before is still what the slot stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any, Final, TypeVar

from dbless_gateway.runtime.sharedmem import HEADER_BYTES, SharedMemory

T = TypeVar("T")

DEFAULT_RING_BYTES: Final = 128 * 1024 * 1024

# One slot of the index for each KB of the ring: typical API answers are larger, so the ring is full before
# the index.
_BYTES_PER_SLOT: Final = 1024

# No value may take more than this share of the ring, else one download would evict everything else.
_LARGEST_SHARE: Final = 8

# A slot is five words: digest (two), position, length, expiry (a real; 0.0 means empty).
_SLOT_WORDS: Final = 5
_BUCKET_WORDS: Final = 8 * _SLOT_WORDS
_BUCKET_BYTES: Final = 8 * _BUCKET_WORDS
_HEADER_WORDS: Final = HEADER_BYTES // 8

# Words of the header, behind the hashing key (four words): where the next value goes, and the number of
# buckets.
_WRITE_POSITION: Final = 4
_BUCKETS: Final = 5

# What each worker keeps of decoded values: what is asked for again and again, in a fraction of its memory.
_FRONT_BYTES: Final = 8 * 1024 * 1024
_LARGEST_FRONT_SHARE: Final = 16
# The objects around a value: its key, its place, what it was decoded to.
_FRONT_ENTRY_BYTES: Final = 1024


class _Decoded:
    """What a value was decoded to, and the one writing of it that this holds for."""

    __slots__ = ("made", "position", "size_bytes", "slot")

    def __init__(self, made: Any, slot: int, position: int, size_bytes: int) -> None:
        self.made = made
        self.slot = slot
        self.position = position
        self.size_bytes = size_bytes


class RingCache:
    """Byte strings with a time to live; satisfies ``pdk.plugin.Cache``."""

    __slots__ = (
        "_buckets",
        "_front",
        "_front_bytes",
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
        self._front: dict[bytes, _Decoded] = {}
        self._front_bytes = 0

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
        found = self._read(key)
        return found[2] if found is not None else None

    def find(self, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """Return what ``decode`` makes of the value; the very object of the last time while the value is the same.

        So nobody may change it, and a key belongs to one ``decode``.
        """
        known = self._front.get(key)
        if known is not None:
            if self._words[known.slot + 2] == known.position and self._is_alive(known.slot, self._now()):
                made: T = known.made
                return made
            self._front_bytes -= self._front.pop(key).size_bytes
        found = self._read(key)
        if found is None:
            return None
        slot, position, value = found
        made = decode(value)
        size_bytes = len(value) + _FRONT_ENTRY_BYTES
        if size_bytes <= _FRONT_BYTES // _LARGEST_FRONT_SHARE:
            self._front[key] = _Decoded(made, slot, position, size_bytes)
            self._front_bytes += size_bytes
            while self._front_bytes > _FRONT_BYTES:
                self._front_bytes -= self._front.pop(next(iter(self._front))).size_bytes
        return made

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

    def _read(self, key: bytes) -> tuple[int, int, bytes] | None:
        """Return a value with its slot and position."""
        low, high = self._memory.digest(key)
        with self._memory.shared(0, HEADER_BYTES):
            slot = self._find(low, high)
            if not slot:
                return None
            position = self._words[slot + 2]
            start = self._place(position)
            value = self._memory.data[start : start + self._words[slot + 3]]
            # Only now, since a writer may have lapped or replaced it while it was copied (rule 3).
            if self._words[slot + 2] != position or not self._is_alive(slot, self._now()):
                return None
            return slot, position, value

    def _append(self, value: bytes) -> int:
        position = self._words[_WRITE_POSITION]
        room = self._ring_bytes - position % self._ring_bytes
        if len(value) > room:
            position += room
        self._words[_WRITE_POSITION] = position + (len(value) or 1)
        start = self._place(position)
        self._memory.data[start : start + len(value)] = value
        return position

    def _place(self, position: int) -> int:
        return self._ring_start + position % self._ring_bytes

    def _is_alive(self, slot: int, now: float) -> bool:
        lead = self._words[_WRITE_POSITION] - self._words[slot + 2]
        return self._reals[slot + 4] > now and lead <= self._ring_bytes

    def _first_slot(self, low: int) -> int:
        return _HEADER_WORDS + low % self._buckets * _BUCKET_WORDS

    def _find(self, low: int, high: int) -> int:
        words = self._words
        first = self._first_slot(low)
        for slot in range(first, first + _BUCKET_WORDS, _SLOT_WORDS):
            if words[slot] == low and words[slot + 1] == high:
                return slot
        return 0

    def _worst(self, low: int, now: float) -> int:
        """Return the slot to give up: a dead one, else the one whose value the ring will lap first."""
        first = self._first_slot(low)
        slots = range(first, first + _BUCKET_WORDS, _SLOT_WORDS)
        return min(slots, key=lambda slot: self._words[slot + 2] if self._is_alive(slot, now) else -1)
