"""Pages of a collection: ``size``, ``offset``, ``tags``, and the pointer to the next page.

The order is that of ids, and an offset is the id after which the next page begins: it stays right when the
configuration changes between two pages. Tags are applied before a page is cut, so every page but the last is
full (Kong cuts first, and may send empty pages).
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode

from dbless_gateway.admin.catalog import Item, is_uuid
from dbless_gateway.admin.failures import Failure, named

DEFAULT_SIZE = 100
MAX_SIZE = 1000
_MAX_TAGS = 5
_BY_ID = attrgetter("id")

Query = Mapping[str, str]
Shape = Callable[[Item], Any]


def page_by_id(items: Sequence[Item], query: Query, path: str, shape: Shape) -> dict[str, Any]:
    """Return the page that a query asks for; ``items`` are ordered by id."""
    size, items = size_of(query), tagged(items, query)
    start = bisect_right(items, _id_of(query["offset"]), key=_BY_ID) if query.get("offset") else 0
    rows = items[start : start + size]
    has_more = start + size < len(items)
    offset = base64.b64encode(rows[-1].id.encode()).decode() if has_more else None
    return page([shape(row) for row in rows], offset, query, path)


def page_by_count(items: Sequence[Item], query: Query, path: str, shape: Shape) -> dict[str, Any]:
    """Return a page of items in any order; the offset is how many came before."""
    size, items = size_of(query), tagged(items, query)
    given = query.get("offset") or "0"
    if not (given.isascii() and given.isdigit()):
        raise invalid_offset(given, "not a number")
    end = int(given) + size
    offset = str(end) if end < len(items) else None
    return page([shape(row) for row in items[int(given) : end]], offset, query, path)


def page(rows: Sequence[Any], offset: str | None, query: Query, path: str) -> dict[str, Any]:
    """Return Kong's form of a page; ``offset`` None says that it is the last."""
    if offset is None:
        return {"data": rows, "next": None}
    kept = {name: query[name] for name in ("tags", "size") if query.get(name)}
    return {"data": rows, "next": f"{path}?{urlencode({'offset': offset, **kept})}", "offset": offset}


def size_of(query: Query) -> int:
    """Return how many entities a page has."""
    given = query.get("size")
    if given is None:
        return DEFAULT_SIZE
    try:
        size = float(given)
    except ValueError:
        raise named("invalid size", "size must be a number") from None
    if not (size == size // 1 and 1 <= size <= MAX_SIZE):
        raise named("invalid size", f"size must be an integer between 1 and {MAX_SIZE}")
    return int(size)


def _id_of(offset: str) -> str:
    try:
        found = base64.b64decode(offset, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise invalid_offset(offset, "bad base64 encoding") from None
    if not is_uuid(found):
        raise invalid_offset(offset, "bad base64 encoding")
    return found


def invalid_offset(offset: str, reason: str) -> Failure:
    """Make the failure of an offset that no page of ours ever had."""
    return named("invalid offset", f"'{offset}' is not a valid offset: {reason}")


def tagged(items: Sequence[Item], query: Query) -> Sequence[Item]:
    """Return the entities that have the tags that a query asks for."""
    given = query.get("tags")
    if given is None:
        return items
    wanted = _tags_of(given)
    if "/" in given:
        return [item for item in items if item.tags and not wanted.isdisjoint(item.tags)]
    return [item for item in items if item.tags and wanted.issubset(item.tags)]


def _tags_of(given: str) -> frozenset[str]:
    if not given:
        raise _invalid_tags("cannot be null")
    if "," in given and "/" in given:
        raise _invalid_tags("invalid filter syntax")
    tags = given.split("/" if "/" in given else ",")
    if not all(tags):
        raise _invalid_tags("invalid filter syntax")
    if len(tags) > _MAX_TAGS:
        raise _invalid_tags(f"cannot query more than {_MAX_TAGS} tags")
    return frozenset(tags)


def _invalid_tags(reason: str) -> Failure:
    return named("invalid options", f"invalid option (tags: {reason})", options={"tags": reason})
