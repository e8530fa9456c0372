"""What Kong checks between entities before it writes: references, uniqueness, and who needs what is to go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dbless_gateway.admin.catalog import Catalog, Item, field_of
from dbless_gateway.admin.collections import NESTINGS
from dbless_gateway.admin.failures import lua_key, named
from dbless_gateway.config.schemas import EntitySchema, load_schemas

# Kong takes these with the entity that they belong to; everything else holds it back.
_CASCADES = frozenset(
    (nesting.child, nesting.field)
    for nesting in NESTINGS
    if nesting.parent == "consumers" or nesting.child in ("plugins", "snis", "keys")
) | {("targets", "upstream")}
_RESTRICTS = (
    ("routes", "service", "services"),
    ("services", "client_certificate", "certificates"),
    ("upstreams", "client_certificate", "certificates"),
)


def resolved(catalog: Catalog, schema: EntitySchema, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with each reference as the id of something that exists."""
    for name, collection in schema.record.references.items():
        given = fields.get(name)
        if given is None:
            continue
        given = {"id": given} if isinstance(given, str) else given
        key = (given.get("id") or given.get("name")) if isinstance(given, dict) else None
        if not isinstance(key, str):
            continue  # The schema says what is wrong.
        found = catalog.find(collection, key)
        if found is None:
            raise _unresolved(name, collection, given)
        fields[name] = {"id": found.id}
    return fields


def check_unique(catalog: Catalog, schema: EntitySchema, fields: Mapping[str, Any], own: Item | None) -> None:
    """Refuse what another entity has already; ``own`` is the entity itself, None for a new one."""
    for name in schema.unique:
        value = fields.get(name)
        others = catalog.items(schema.collection) if value is not None else ()
        if any(item is not own and field_of(item, name) == value for item in others):
            key = {name: value}
            raise _not_unique(key)
    if len(schema.id_fields) > 1 and own is None:
        _check_combination(catalog, schema, fields)


def _check_combination(catalog: Catalog, schema: EntitySchema, fields: Mapping[str, Any]) -> None:
    key = {name: fields.get(name) for name in schema.id_fields}
    for item in catalog.items(schema.collection):
        found = {name: field_of(item, name) for name in schema.id_fields}
        shown = {
            name: {"id": value} if name in schema.record.references and value is not None else value
            for name, value in found.items()
        }
        if shown == key:
            raise _not_unique(key)


def check_unused(catalog: Catalog, collection: str, item: Item) -> None:
    """Refuse to remove what others need."""
    for child, field, parent in _RESTRICTS:
        if parent == collection and catalog.children(child, field, item.id):
            text = f"an existing '{child}' entity references this '{collection}' entity"
            raise named("foreign key violation", text, fields={"@referenced_by": child})


def with_children(catalog: Catalog, collection: str, item: Item) -> Iterator[Item]:
    """Yield an entity that is to go, and all that goes with it."""
    yield item
    for child, field in sorted(_CASCADES):
        if load_schemas().entity(child).record.references.get(field) == collection:
            for found in catalog.children(child, field, item.id):
                yield from with_children(catalog, child, found)


def _unresolved(name: str, collection: str, given: Mapping[str, Any]) -> Exception:
    if "id" in given:
        text = f"the foreign key '{lua_key(given)}' does not reference an existing '{collection}' entity."
        return named("foreign key violation", text, fields={name: dict(given)})
    reason = (
        f"the foreign key cannot be resolved with '{lua_key(given)}' for an existing '{collection}' entity"
    )
    text = f"foreign key unresolved ({name}.name: {reason})"
    return named("foreign keys unresolved", text, fields={name: {"name": reason}})


def _not_unique(key: Mapping[str, Any]) -> Exception:
    return named("unique constraint violation", f"UNIQUE violation detected on '{lua_key(key)}'", fields=key)
