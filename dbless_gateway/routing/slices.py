"""Letting go of large containers piece by piece.

Freeing ten thousand routes at once takes tens of milliseconds, and a serving event loop would stand still
for them.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

# A route with its rule, conditions and leaf takes 2-10 us to free.
SLICE = 64


def empty_steps(items: list[Any] | dict[Any, Any], *, slice_size: int = SLICE) -> Generator[None, None, None]:
    """Empty the container from its end, with a yield between any two slices; a small one goes at once."""
    if len(items) <= slice_size:
        items.clear()
        return
    if isinstance(items, list):
        while items:
            del items[-slice_size:]
            yield
        return
    while items:
        for _ in range(min(slice_size, len(items))):
            items.popitem()
        yield
