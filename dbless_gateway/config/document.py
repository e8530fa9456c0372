"""A parsed file: plain data, and where every part of it stood.

Mappings and sequences of a file are ``Map`` and ``Seq``: a dict and a list that remember the number of the
node they were made from. ``Document`` keeps the span of every node in flat arrays (20 bytes per node; an
object per node would be ten times the text) and answers "where is key ``hosts`` of this mapping?" by walking
the few nodes of that mapping. Positions are needed for mistakes only, so building is cheap and asking is not
free.

This module knows neither YAML nor JSON: the two readers fill a ``Document``, everything else asks it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

from dbless_gateway.config.entities import Where

# A position is one number: the line in the upper half, the column in the lower half, both from 0.
COLUMN_BITS = 32
COLUMN_MASK = (1 << COLUMN_BITS) - 1


class Span(NamedTuple):
    """From the first character to just behind the last; lines and columns count from 1."""

    line: int
    column: int
    end_line: int
    end_column: int


class Map(dict[str, Any]):
    """A mapping of a file; ``at`` is the number of its node in the document."""

    __slots__ = ("at",)
    at: int


class Seq(list[Any]):
    """A sequence of a file; ``at`` is the number of its node in the document."""

    __slots__ = ("at",)
    at: int


class Surprise(NamedTuple):
    """A plain scalar that YAML 1.1 reads differently from what it looks like: ``on``, ``010``, ``12:30``."""

    span: Span
    text: str
    value: object


class Document:
    """The data of one file with its positions.

    Nodes are numbered in the order in which they begin. ``nexts[n]`` is the number of the node that follows
    the subtree of a container ``n``, and 0 for a scalar (the next node then is ``n + 1``).
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.data: Any = None
        self.starts = array("Q")
        self.ends = array("Q")
        self.nexts = array("I")
        # Pairs of a mapping that did not become a key of its dict: merges and duplicates, by ordinal.
        self.skipped: dict[int, set[int]] = {}
        self.merged: dict[int, list[Map]] = {}
        # What an alias stands for, by the alias's own node number.
        self.aliases: dict[int, Any] = {}
        # Nodes whose text was, or contains, a value from the environment: never quoted in a message.
        self.substituted: set[int] = set()
        # Nodes whose variable is missing: reported once, and not again for what their text looks like.
        self.unresolved: set[int] = set()
        self.surprising: list[tuple[int, str, object]] = []

    def add(self, start: int, end: int) -> int:
        """Record a node; return its number."""
        number = len(self.starts)
        self.starts.append(start)
        self.ends.append(end)
        self.nexts.append(0)
        return number

    def surprises(self) -> Iterator[Surprise]:
        """Yield the plain scalars whose YAML 1.1 reading may not be what their author meant."""
        for node, text, value in self.surprising:
            yield Surprise(self.span(node), text, value)

    def span(self, node: int) -> Span:
        """Return the span of a node; of a container over several lines, its first character."""
        start, end = self.starts[node], self.ends[node]
        line, column = start >> COLUMN_BITS, start & COLUMN_MASK
        end_line, end_column = end >> COLUMN_BITS, end & COLUMN_MASK
        if self.nexts[node] and end_line != line:
            end_line, end_column = line, column + 1
        return Span(line + 1, column + 1, end_line + 1, end_column + 1)

    def where(self, container: Map | Seq) -> Where:
        """Return the place of a container as entities carry it."""
        start = self.starts[container.at]
        return Where(self.file, (start >> COLUMN_BITS) + 1, (start & COLUMN_MASK) + 1)

    def locate(self, container: object, path: tuple[str | int, ...], *, key: bool = False) -> Span:
        """Return the span of what ``path`` names below ``container``, or of the nearest thing above it.

        With ``key`` the span is that of the last key itself and not of its value.
        """
        node = container.at if isinstance(container, (Map, Seq)) else 0
        for position, step in enumerate(path):
            found = self._child(container, step)
            if found is None:
                break
            key_node, value_node = found
            last = position == len(path) - 1
            node = key_node if last and key else value_node
            container = _step(container, step)
            if isinstance(container, (Map, Seq)) and not (last and key):
                node = value_node if last else container.at
        return self.span(node) if len(self.starts) else Span(1, 1, 1, 1)

    def full_span(self, container: object, path: tuple[str | int, ...]) -> Span:
        """Return the whole span of what ``path`` names, over all its lines."""
        for step in path[:-1]:
            container = _step(container, step)
        found = self._child(container, path[-1])
        node = found[1] if found is not None else 0
        start, end = self.starts[node], self.ends[node]
        return Span(
            (start >> COLUMN_BITS) + 1,
            (start & COLUMN_MASK) + 1,
            (end >> COLUMN_BITS) + 1,
            (end & COLUMN_MASK) + 1,
        )

    def is_substituted(self, container: object, path: tuple[str | int, ...]) -> bool:
        """Tell whether the scalar at ``path`` came from the environment."""
        return bool(self.substituted) and self._node(container, path) in self.substituted

    def is_unresolved(self, container: object, path: tuple[str | int, ...]) -> bool:
        """Tell whether the scalar at ``path`` should have come from the environment, and did not."""
        return bool(self.unresolved) and self._node(container, path) in self.unresolved

    def has(self, container: object, path: tuple[str | int, ...]) -> bool:
        """Tell whether there is something at ``path``."""
        return not path or self._node(container, path) is not None

    def _node(self, container: object, path: tuple[str | int, ...]) -> int | None:
        """Return the node of the value at ``path``, or None when there is none."""
        for step in path[:-1]:
            container = _step(container, step)
        found = self._child(container, path[-1]) if path else None
        return found[1] if found is not None else None

    def _child(self, container: object, step: str | int) -> tuple[int, int] | None:
        """Return the nodes of the key and the value of one child; for a sequence both are the element."""
        if isinstance(container, Map) and isinstance(step, str):
            return self._pair(container, step)
        if isinstance(container, Seq) and isinstance(step, int) and 0 <= step < len(container):
            node = container.at + 1
            for _ in range(step):
                node = self.nexts[node] or node + 1
            return node, node
        return None

    def _pair(self, container: Map, key: str) -> tuple[int, int] | None:
        if key not in container:
            return None
        skipped = self.skipped.get(container.at, ())
        written = iter(container)
        node, end, ordinal = container.at + 1, self.nexts[container.at], 0
        while node < end:
            value = self.nexts[node] or node + 1
            if ordinal not in skipped and next(written, None) == key:
                return node, value
            node = self.nexts[value] or value + 1
            ordinal += 1
        for source in self.merged.get(container.at, ()):
            found = self._pair(source, key)
            if found is not None:
                return found
        return None


def _step(container: object, step: str | int) -> object:
    """Return the child of a container, or None when there is no such child."""
    if isinstance(container, Map) and isinstance(step, str):
        return container.get(step)
    if isinstance(container, Seq) and isinstance(step, int) and 0 <= step < len(container):
        child: object = container[step]
        return child
    return None


def plain(value: Any) -> Any:
    """Return a copy of parsed data that knows nothing of its document."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
