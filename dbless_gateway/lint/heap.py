"""Freed memory that the C library keeps, given back.

A parsed file lives in a few arrays that grow to megabytes. When they are gone, the C library holds on to
their place, and Python's own allocator, which gets its memory from the kernel, can never use it.
"""

from __future__ import annotations

import ctypes


def give_back_freed() -> None:
    """Return it to the kernel; where the library cannot be asked (only glibc can), nothing happens."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return
    trim(0)
