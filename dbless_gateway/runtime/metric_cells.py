"""What requests add to: a worker's cell of a counter, and the buckets of a histogram.

The part of ``metrics.py`` that runs for each request, in a module of its own because it is compiled.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

Add = Callable[[int], None]


class Cell:
    """One word of shared memory that only this worker changes."""

    __slots__ = ("_place", "_words")

    def __init__(self, words: memoryview, place: int) -> None:
        self._words = words
        self._place = place

    def add(self, amount: int) -> None:
        """Count."""
        self._words[self._place] += amount


class Histogram:
    """Counts each value in one bucket; buckets are made when they are first hit, and the sum with the first
    of them: what was never measured is not shown.
    """

    __slots__ = ("_add_sum", "_adders", "_bounds", "_make_bucket", "_make_sum")

    def __init__(
        self, bounds: tuple[int, ...], make_bucket: Callable[[int], Add], make_sum: Callable[[], Add]
    ) -> None:
        self._bounds = bounds
        self._make_bucket = make_bucket
        self._make_sum = make_sum
        self._adders: list[Add | None] = [None] * (len(bounds) + 1)
        self._add_sum: Add | None = None

    def observe(self, value: int) -> None:
        """Count a value."""
        index = bisect_left(self._bounds, value)
        add = self._adders[index]
        if add is None:
            add = self._adders[index] = self._make_bucket(index)
        add_sum = self._add_sum
        if add_sum is None:
            add_sum = self._add_sum = self._make_sum()
        add(1)
        add_sum(value)
