"""Anonymous memory that all workers of a node map, and locks on parts of it.

It knows bytes only; what they mean is the business of counters and cache. The memory has no name in any file
system and is gone with the last process that maps it. Rules of the file:

1. A lock is a record lock of the kernel: it belongs to the process, and the kernel frees it when that
process dies.
   It does not exclude threads of one process, so only the thread of the event loop may use shared structures.
2. With one worker there is nobody to exclude, and a lock is a plain no-op: a pair of system calls costs more
than
   the work between them.
3. The first page is a header: a random key for hashing (so that nobody outside can aim at one bucket), then
words
   that the owner of the memory may use.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from _blake2 import blake2b
from contextlib import AbstractContextManager, nullcontext
from struct import Struct
from types import TracebackType
from typing import Final

HEADER_BYTES: Final = 4096
_KEY_BYTES: Final = 32

split_digest = Struct("<QQ").unpack


class SharedMemory:
    """A mapped shared file: ``words`` and ``reals`` are two views of the same bytes, 8 bytes each."""

    __slots__ = ("_free", "_whole", "data", "fd", "locking", "reals", "seed", "words")

    def __init__(self, fd: int, *, locking: bool) -> None:
        self.fd = fd
        self.locking = locking
        self.data = mmap.mmap(fd, os.fstat(fd).st_size)
        self._whole = memoryview(self.data)
        self.words = self._whole.cast("Q")
        self.reals = self._whole.cast("d")
        self.seed = blake2b(digest_size=16, key=self.data[:_KEY_BYTES])
        self._free: AbstractContextManager[None] = nullcontext()

    @classmethod
    def create(cls, name: str, size_bytes: int, *, locking: bool) -> SharedMemory:
        """Make new zeroed memory; pages cost nothing until they are written."""
        fd = _anonymous_file(name)
        os.ftruncate(fd, HEADER_BYTES + size_bytes)
        os.pwrite(fd, os.urandom(_KEY_BYTES), 0)
        return cls(fd, locking=locking)

    def digest(self, key: bytes) -> tuple[int, int]:
        """Return a keyed 128-bit digest as two words."""
        state = self.seed.copy()
        state.update(key)
        low, high = split_digest(state.digest())
        return low, high

    def exclusive(self, start: int, length: int) -> AbstractContextManager[None]:
        """Return a lock of this range against everybody."""
        return _RangeLock(self.fd, fcntl.LOCK_EX, start, length) if self.locking else self._free

    def shared(self, start: int, length: int) -> AbstractContextManager[None]:
        """Return a lock of this range against writers."""
        return _RangeLock(self.fd, fcntl.LOCK_SH, start, length) if self.locking else self._free

    def close(self) -> None:
        """Unmap and close; other processes keep their mapping."""
        for view in (self.words, self.reals, self._whole):
            view.release()
        self.data.close()
        os.close(self.fd)


class _RangeLock:
    __slots__ = ("_fd", "_kind", "_length", "_start")

    def __init__(self, fd: int, kind: int, start: int, length: int) -> None:
        self._fd = fd
        self._kind = kind
        self._start = start
        self._length = length

    def __enter__(self) -> None:
        fcntl.lockf(self._fd, self._kind, self._length, self._start)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN, self._length, self._start)


def _anonymous_file(name: str) -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    descriptor, path = tempfile.mkstemp(prefix=name)
    os.unlink(path)
    return descriptor
