"""A bounded memory of decisions, for requests that come again.

Two generations: what is asked for moves into the young one; when that is full, it becomes the old one, and
what was old and not asked for since is forgotten. A hit is one look-up, and nothing is ever searched for a
victim. Matches and misses are kept apart, so that a scan of paths that do not exist cannot push out the ones
that do.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable
from typing import Generic, TypeVar

from dbless_gateway.routing.slices import empty_steps

V = TypeVar("V")

# Kong keeps 5,000 decisions, and more for larger tables; two generations hold up to twice these numbers. Forgetting
# a whole generation at once takes about 0.2 ms per thousand, which sets the upper limit.
GENERATION = 4096
MAX_GENERATION = 16_384
# Forgetting so many takes about 0.2 ms.
_DISPOSE_SLICE = 256


def generation_for(rules: int) -> int:
    """Return a size that holds a decision for each rule of a table, within the limits."""
    return min(max(GENERATION, rules), MAX_GENERATION)


class Decisions(Generic[V]):
    """A map that forgets; ``None`` cannot be stored."""

    __slots__ = ("_capacity", "_old", "young")

    def __init__(self, capacity: int = GENERATION) -> None:
        self._capacity = capacity
        self.young: dict[Hashable, V] = {}
        self._old: dict[Hashable, V] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get(self, key: Hashable) -> V | None:
        """Return what is remembered, and keep it for longer."""
        found = self.young.get(key)
        if found is None and (found := self._old.pop(key, None)) is not None:
            self.put(key, found)
        return found

    def put(self, key: Hashable, value: V) -> None:
        """Remember, and forget the oldest generation when there are too many."""
        if len(self.young) >= self._capacity:
            self._old = self.young
            self.young = {}
        self.young[key] = value

    def dispose_steps(self) -> Generator[None, None, None]:
        """Forget everything, in slices."""
        for generation in (self.young, self._old):
            yield from empty_steps(generation, slice_size=_DISPOSE_SLICE)
