"""A row of the route table, and finding the row for a path.

Paths are matched segment by segment; a segment in braces takes anything. Segments are split before they are
decoded, so a name may contain an encoded slash.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest

View = Callable[[AdminRequest, Commands], Awaitable[AdminAnswer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table; ``takes`` names the entity whose fields the body holds.

    ``has_pages`` is for lists, which take ``size`` and ``offset``.
    """

    method: str
    path: str
    view: View
    description: str
    takes: str | None = None
    has_pages: bool = False


class Found(NamedTuple):
    """The rows of one path, by method, and what stands at its parameters."""

    views: Mapping[str, View]
    keys: tuple[str, ...]


class _Node:
    __slots__ = ("any", "named", "views")

    def __init__(self) -> None:
        self.named: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.views: dict[str, View] = {}


class PathTree:
    """All paths of a table."""

    def __init__(self, table: Sequence[Endpoint]) -> None:
        self._root = _Node()
        for endpoint in table:
            self._leaf(endpoint.path).views[endpoint.method] = endpoint.view

    def _leaf(self, path: str) -> _Node:
        node = self._root
        for segment in _segments(path):
            if segment.startswith("{"):
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.named.setdefault(segment, _Node())
        return node

    def find(self, path: str) -> Found | None:
        """Return what is there; a slash at the end makes no difference."""
        if not path.startswith("/"):
            return None
        return _find(self._root, [unquote(segment) for segment in _segments(path)], ())


def _find(node: _Node, segments: Sequence[str], keys: tuple[str, ...]) -> Found | None:
    if not segments:
        return Found(node.views, keys) if node.views else None
    first, rest = segments[0], segments[1:]
    if first in node.named and (found := _find(node.named[first], rest, keys)) is not None:
        return found
    return _find(node.any, rest, (*keys, first)) if node.any is not None and first else None


def _segments(path: str) -> list[str]:
    trimmed = path[1:-1] if path.endswith("/") else path[1:]
    return trimmed.split("/") if trimmed else []
