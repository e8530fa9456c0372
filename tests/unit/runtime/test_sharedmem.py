"""Shared memory: views, locks between processes, and what happens to a lock when its owner dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from dbless_gateway.runtime.sharedmem import HEADER_BYTES, SharedMemory


def _in_child(action: Callable[[], None]) -> int:
    """Run a callable in a forked process and return its exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except BaseException:  # noqa: BLE001 - the child must never run on into pytest
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_views_show_the_same_bytes() -> None:
    memory = SharedMemory.create("test", 64, locking=False)
    place = HEADER_BYTES // 8
    memory.reals[place] = 1.0

    assert memory.words[place] == 0x3FF0000000000000
    memory.close()


def test_digest_differs_between_nodes_but_not_between_workers() -> None:
    first = SharedMemory.create("test", 64, locking=True)
    second = SharedMemory.create("test", 64, locking=True)
    attached = SharedMemory(os.dup(first.fd), locking=True)

    assert first.digest(b"key") == attached.digest(b"key") != second.digest(b"key")
    for memory in (first, second, attached):
        memory.close()


def test_lock_excludes_another_process_until_it_is_released() -> None:
    memory = SharedMemory.create("test", 64, locking=True)
    place = HEADER_BYTES // 8
    held_read, held_write = os.pipe()

    def holder() -> None:
        with memory.exclusive(0, 8):
            os.write(held_write, b"x")
            memory.words[place] = 1
            memory.words[place] += 1

    pid = os.fork()
    if pid == 0:
        holder()
        os._exit(0)
    os.read(held_read, 1)
    with memory.shared(0, 8):
        assert memory.words[place] == 2
    os.waitpid(pid, 0)
    os.close(held_read)
    os.close(held_write)
    memory.close()


def test_kernel_frees_the_lock_of_a_killed_process() -> None:
    memory = SharedMemory.create("test", 64, locking=True)

    def die_holding() -> None:
        memory.exclusive(0, 8).__enter__()
        os.kill(os.getpid(), signal.SIGKILL)

    assert _in_child(die_holding) == -signal.SIGKILL
    with memory.exclusive(0, 8):
        pass
    memory.close()


def test_without_locking_nothing_is_locked() -> None:
    memory = SharedMemory.create("test", 64, locking=False)

    with memory.exclusive(0, 8), memory.shared(0, 8):
        pass
    memory.close()


def test_works_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")

    memory = SharedMemory.create("test", 64, locking=False)

    assert len(memory.data) == HEADER_BYTES + 64
    memory.close()
