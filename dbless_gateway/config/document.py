"""A parsed file: what it says, and where every part of it stood.

``Document`` keeps the nodes of a file in flat arrays (20 bytes per node, and each different text once): a
dict or a list for every mapping and sequence would take many times the text, although most of them are looked
at once. Who wants data asks for it: ``build`` makes dicts and lists of a part, ``value`` walks to one
field. Positions are needed for mistakes only, so keeping them is cheap and asking is not free.

This module knows neither YAML nor JSON: the two readers fill a ``Document``, everything else asks it.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from dbless_gateway.config.entities import Where

# A place is one number: the line in the upper half, the column in the lower half, both from 0.
COLUMN_BITS = 32
COLUMN_MASK = (1 << COLUMN_BITS) - 1

# What ends a line, in YAML 1.1.
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class Span(NamedTuple):
    """From the first character to just behind the last; lines and columns count from 1."""

    line: int
    column: int
    end_line: int
    end_column: int


class Map(dict[str, Any]):
    """A mapping of a file."""

    __slots__ = ()


class Seq(list[Any]):
    """A sequence of a file."""

    __slots__ = ()


class Alias:
    """Stands among the values of a document where an alias repeats a mapping or a sequence."""


# The node of the top level; a document of nothing has no nodes at all.
ROOT = 0


class Surprise(NamedTuple):
    """A plain scalar that YAML 1.1 reads differently from what it looks like: ``on``, ``010``, ``12:30``."""

    span: Span
    text: str
    value: object


class Document:
    """One file.

    Nodes are numbered in the order in which they begin. ``values`` has the value of a scalar, the text of a
    key, and for a container the class to build it as. ``nexts[n]`` is the number of the node that follows the
    subtree of a container ``n``, and 0 for anything else (the next node then is ``n + 1``).
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._text = text
        self.values: list[Any] = []
        # Offsets into the text.
        self.starts = array("I")
        self.ends = array("I")
        self.nexts = array("I")
        # Keys that are none in the data: merges and duplicates.
        self.skipped: set[int] = set()
        # The mappings that a mapping takes over with ``<<``.
        self.merged: dict[int, list[int]] = {}
        # The container that an alias stands for.
        self.aliases: dict[int, int] = {}
        # Nodes whose text was, or contains, a value from the environment: never quoted in a message.
        self.substituted: set[int] = set()
        # Nodes whose variable is missing: reported once, and not again for what their text looks like.
        self.unresolved: set[int] = set()
        self.surprising: list[tuple[int, str, object]] = []

    def add(self, start: int, end: int, value: Any) -> int:
        """Record a node; return its number."""
        number = len(self.starts)
        self.starts.append(start)
        self.ends.append(end)
        self.nexts.append(0)
        self.values.append(value)
        return number

    # What the file says.

    @property
    def data(self) -> Any:
        """Everything, built anew."""
        return self.build(ROOT) if self.values else None

    def is_mapping(self, node: int = ROOT) -> bool:
        """Tell whether a node is, or stands for, a mapping."""
        return bool(self.values) and self.values[self.target(node)] is Map

    def is_sequence(self, node: int) -> bool:
        """Tell whether a node is, or stands for, a sequence."""
        return self.values[self.target(node)] is Seq

    def target(self, node: int) -> int:
        """Return the container that an alias stands for; any other node is its own."""
        return self.aliases.get(node, node)

    def build(self, node: int, without: Collection[str] = ()) -> Any:
        """Return the data of a subtree, made anew; ``without`` are keys of its top level to leave out.

        What aliases repeat is one object, so that a small text cannot become a large tree.
        """
        return self._build(node, without, {} if self.aliases else None)

    def value(self, node: int, path: tuple[str | int, ...], default: Any = None) -> Any:
        """Return the data at ``path`` below a node, made anew."""
        found = self.find(node, path)
        return default if found is None else self.build(found)

    def find(self, node: int, path: tuple[str | int, ...]) -> int | None:
        """Return the node of the value at ``path``, or None when there is none."""
        for step in path:
            found = self._child(node, step)
            if found is None:
                return None
            node = found[1]
        return node

    def some(self, node: int, names: Collection[str]) -> dict[str, int]:
        """Return the nodes of those values of a mapping that ``names`` names."""
        node = self.target(node)
        found: dict[str, int] = {}
        for source in reversed(self.merged.get(node, ())):
            found |= self.some(source, names)
        values, nexts = self.values, self.nexts
        key, end = node + 1, nexts[node]
        while key < end:
            if values[key] in names and key not in self.skipped:
                found[values[key]] = key + 1
            key = nexts[key + 1] or key + 2
        return found

    def items(self, node: int) -> Iterator[int]:
        """Yield the nodes of the elements of a sequence."""
        node = self.target(node)
        item, end = node + 1, self.nexts[node]
        while item < end:
            yield item
            item = self.nexts[item] or item + 1

    def _build(self, node: int, without: Collection[str], known: dict[int, Any] | None) -> Any:
        values, nexts = self.values, self.nexts
        if values[node] is Alias:
            node = self.aliases[node]
        kind = values[node]
        if kind is not Map and kind is not Seq:
            return kind
        if known is not None and node in known:
            return known[node]
        if kind is Seq:
            items = Seq()
            if known is not None:
                known[node] = items
            for item in self.items(node):
                value = values[item]
                items.append(self._build(item, (), known) if nexts[item] or value is Alias else value)
            return items
        pairs = Map()
        if known is not None and not without:
            known[node] = pairs
        key, end = node + 1, nexts[node]
        while key < end:
            at = key + 1
            inner = nexts[at]
            if key not in self.skipped and values[key] not in without:
                value = values[at]
                pairs[values[key]] = self._build(at, (), known) if inner or value is Alias else value
            key = inner or at + 1
        for source in self.merged.get(node, ()):
            for name, value in self._build(source, (), known).items():
                if name not in without:
                    pairs.setdefault(name, value)
        return pairs

    # Where it stood.

    def surprises(self) -> Iterator[Surprise]:
        """Yield the plain scalars whose YAML 1.1 reading may not be what their author meant."""
        for node, text, value in self.surprising:
            yield Surprise(self.span(node), text, value)

    def span(self, node: int) -> Span:
        """Return the span of a node; of a container over several lines, its first character."""
        line, column = self._line_and_column(self.starts[node])
        end_line, end_column = self._line_and_column(self.ends[node])
        if self.nexts[node] and end_line != line:
            end_line, end_column = line, column + 1
        return Span(line + 1, column + 1, end_line + 1, end_column + 1)

    def where(self, node: int) -> Where:
        """Return the place of a container as entities carry it."""
        line, column = self._line_and_column(self.starts[self.target(node)])
        return Where(self.file, line + 1, column + 1)

    def place(self, offset: int) -> int:
        """Return an offset as a place."""
        line, column = self._line_and_column(offset)
        return line << COLUMN_BITS | column

    def _line_and_column(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, offset) - 1
        return line, offset - self._line_starts[line]

    @cached_property
    def _line_starts(self) -> array[int]:
        starts = array("I", [0])
        starts.extend(match.end() for match in _LINE_END.finditer(self._text))
        return starts

    def locate(self, node: int, path: tuple[str | int, ...], *, key: bool = False) -> Span:
        """Return the span of what ``path`` names below a node, or of the nearest thing above it.

        With ``key`` the span is that of the last key itself and not of its value.
        """
        if not self.values:
            return Span(1, 1, 1, 1)
        place = node = self.target(node)
        for position, step in enumerate(path):
            found = self._child(node, step)
            if found is None:
                break
            key_node, node = found
            if position < len(path) - 1:
                place = self.target(node)
            else:
                place = key_node if key else node
        return self.span(place)

    def full_span(self, node: int, path: tuple[str | int, ...]) -> Span:
        """Return the whole span of what ``path`` names, over all its lines."""
        found = self.find(node, path) or ROOT
        line, column = self._line_and_column(self.starts[found])
        end_line, end_column = self._line_and_column(self.ends[found])
        return Span(line + 1, column + 1, end_line + 1, end_column + 1)

    def is_substituted(self, node: int, path: tuple[str | int, ...]) -> bool:
        """Tell whether the scalar at ``path`` came from the environment."""
        return bool(self.substituted) and self.find(node, path) in self.substituted

    def is_unresolved(self, node: int, path: tuple[str | int, ...]) -> bool:
        """Tell whether the scalar at ``path`` should have come from the environment, and did not."""
        return bool(self.unresolved) and self.find(node, path) in self.unresolved

    def has(self, node: int, path: tuple[str | int, ...]) -> bool:
        """Tell whether there is something at ``path``."""
        return self.find(node, path) is not None

    def _child(self, node: int, step: str | int) -> tuple[int, int] | None:
        """Return the nodes of the key and the value of one child; for a sequence both are the element."""
        node = self.target(node)
        if self.values[node] is Map and isinstance(step, str):
            return self._pair(node, step)
        if self.values[node] is Seq and isinstance(step, int):
            item = next(islice(self.items(node), step, None), None) if step >= 0 else None
            return None if item is None else (item, item)
        return None

    def _pair(self, node: int, key: str) -> tuple[int, int] | None:
        values = self.values
        for at in self._key_nodes(node):
            if values[at] == key:
                return at, at + 1
        for source in self.merged.get(node, ()):
            found = self._pair(source, key)
            if found is not None:
                return found
        return None

    def _key_nodes(self, node: int) -> Iterator[int]:
        """Yield the keys that a mapping gives itself."""
        key, end = node + 1, self.nexts[node]
        while key < end:
            if key not in self.skipped:
                yield key
            key = self.nexts[key + 1] or key + 2


def plain(value: Any) -> Any:
    """Return a copy of parsed data that knows nothing of its document."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
