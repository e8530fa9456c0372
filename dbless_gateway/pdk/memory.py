"""Counters and a cache in plain memory, for where there is one process and no node: rehearsals and tests.

They answer as those in shared memory do (``runtime/counters.py``, ``runtime/cache.py``); one suite holds both to
that. Nothing bounds their number of entries, so nothing that serves may use them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# As large as an entry can be in a shared cache of the default size.
_ENTRY_LIMIT_BYTES = 16 * 1024 * 1024


class MemoryCounters:
    """Satisfies ``pdk.plugin.Counters`` for one process."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._counts: dict[str, tuple[int, float]] = {}

    def increment(self, key: str, amount: int, limit: float | None, expires_at: float) -> int:
        """Add ``amount`` unless the count has reached ``limit`` already; return the count before."""
        before, ends_at = self._counts.get(key, (0, 0.0))
        if ends_at <= self._now():
            before, ends_at = 0, expires_at
        if limit is None or before < limit:
            self._counts[key] = (max(before + amount, 0), ends_at)
        return before

    def read(self, key: str) -> int:
        """Return the count, 0 when there is none."""
        count, ends_at = self._counts.get(key, (0, 0.0))
        return count if ends_at > self._now() else 0

    def clear(self) -> None:
        """Forget every count."""
        self._counts.clear()


class MemoryCache:
    """Satisfies ``pdk.plugin.Cache`` for one process."""

    entry_limit_bytes = _ENTRY_LIMIT_BYTES

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._entries: dict[bytes, tuple[bytes, float]] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return a value that is still valid."""
        value, ends_at = self._entries.get(key, (None, 0.0))
        return value if ends_at > self._now() else None

    def find(self, key: bytes, decode: Callable[[bytes], T]) -> T | None:
        """Return what ``decode`` makes of such a value."""
        value = self.get(key)
        return decode(value) if value is not None else None

    def put(self, key: bytes, value: bytes, ttl_s: float) -> bool:
        """Keep a value; tell whether it is small enough."""
        if len(value) > self.entry_limit_bytes:
            return False
        self._entries[key] = (value, self._now() + ttl_s)
        return True

    def delete(self, key: bytes) -> bool:
        """Forget a value; tell whether there was one."""
        return self._entries.pop(key, None) is not None

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
