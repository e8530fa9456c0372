"""The entities that are served, found by id, by name, by parent.

Indexes are made for one collection when it is first asked for, because most nodes are asked for few of them;
making one takes about a millisecond for a thousand entities. A catalog belongs to one configuration and never
changes; whoever waits between two questions and wants the same answer keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any

from dbless_gateway.config.addresses import normalize_target
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.schemas import load_schemas

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BY_ID = attrgetter("id")

Item = Any  # an entity of any collection


class Catalog:
    """See the module."""

    def __init__(self, entities: Entities) -> None:
        self.entities = entities
        self._collections: dict[str, _Index] = {}

    def items(self, collection: str) -> Sequence[Item]:
        """Return all entities of a collection, by id."""
        return self._index(collection).items

    def find(self, collection: str, key: str) -> Item | None:
        """Return the entity with this id or name."""
        return self._index(collection).find(key)

    def children(self, collection: str, field: str, parent_id: str) -> Sequence[Item]:
        """Return the entities whose ``field`` refers to this parent, by id."""
        return self._index(collection).by_parent(field).get(parent_id, ())

    def _index(self, collection: str) -> _Index:
        index = self._collections.get(collection)
        if index is None:
            index = self._collections[collection] = _Index(collection, self._unordered(collection))
        return index

    def _unordered(self, collection: str) -> Sequence[Item]:
        if load_schemas().entity(collection).credential_of is None:
            found: Sequence[Item] = getattr(self.entities, collection)
            return found
        return [item for item in self.entities.credentials if item.kind == collection]


class _Index:
    """One collection."""

    def __init__(self, collection: str, unordered: Sequence[Item]) -> None:
        self.items: Sequence[Item] = sorted(unordered, key=_BY_ID)
        schema = load_schemas().entity(collection)
        # ACL groups have no unique name, but within a consumer people call them by it.
        self._endpoint_key = schema.endpoint_key
        self._collection = collection
        self._parents: dict[str, Mapping[str, Sequence[Item]]] = {}

    def find(self, key: str) -> Item | None:
        lowered = key.lower()
        if is_uuid(lowered):
            return self._by_id.get(lowered)
        if self._collection == "targets":
            key = normalize_target(key)
        return self._by_name.get(key)

    def by_parent(self, field: str) -> Mapping[str, Sequence[Item]]:
        found = self._parents.get(field)
        if found is None:
            grouped: dict[str, list[Item]] = {}
            for item in self.items:
                grouped.setdefault(getattr(item, field), []).append(item)
            found = self._parents[field] = grouped
        return found

    @cached_property
    def _by_id(self) -> Mapping[str, Item]:
        return {item.id: item for item in self.items}

    @cached_property
    def _by_name(self) -> Mapping[str, Item]:
        if self._endpoint_key is None:
            return {}
        return {field_of(item, self._endpoint_key): item for item in self.items}


def field_of(item: Item, name: str) -> Any:
    """Return a field of any entity; those of credentials lie one level deeper."""
    fields = getattr(item, "fields", None)
    return fields.get(name) if fields is not None and name in fields else getattr(item, name, None)


def is_uuid(text: str) -> bool:
    """Tell whether a path's key is an id and no name."""
    return _UUID.fullmatch(text.lower()) is not None
