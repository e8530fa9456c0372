"""Reading entities: collections, items, what is nested in them, and what they refer to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dbless_gateway.admin.catalog import Catalog, Item, is_uuid
from dbless_gateway.admin.collections import Collection, Nesting, Shortcut, collection_of
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.failures import Failure, lua_key, named, not_found, plain
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, json_answer
from dbless_gateway.admin.paging import page_by_count, page_by_id
from dbless_gateway.admin.shapes import Shaper
from dbless_gateway.config.schemas import load_schemas


def catalog_of(commands: Commands) -> Catalog:
    """Return what is served; a node that has not started yet has nothing to show."""
    catalog = commands.catalog()
    if catalog is None:
        raise plain(503, "no configuration available")
    return catalog


def parent_of(catalog: Catalog, collection: str, key: str) -> Item:
    """Return the entity that a path's key means."""
    found = catalog.find(collection, key)
    if found is None and collection == "certificates" and not is_uuid(key):
        # Kong takes a server name for the certificate that is shown for it.
        sni = catalog.find("snis", key)
        found = catalog.find("certificates", sni.certificate) if sni is not None else None
    if found is None:
        raise not_found()
    return found


def no_such(collection: str, key: str, *, is_nested: bool) -> Failure:
    """Make the failure of a change to something that is not there."""
    if is_nested or collection == "plugins":
        return not_found()
    if is_uuid(key):
        text = f"could not find the entity with primary key '{lua_key({'id': key})}'"
        return named("not found", text, fields={"id": key})
    name = load_schemas().entity(collection).endpoint_key or "id"
    text = f"could not find the entity with '{lua_key({name: key})}'"
    return named("not found", text, fields={name: key})


def child_of(catalog: Catalog, nesting: Nesting, parent: Item, key: str) -> Item:
    """Return the child that a path's key means; one of another parent is not there."""
    found = catalog.find(nesting.child, key)
    if found is None and nesting.child == "acls":
        groups = catalog.children("acls", "consumer", parent.id)
        found = next((acl for acl in groups if acl.fields["group"] == key), None)
    if found is None or getattr(found, nesting.field) != parent.id:
        raise not_found()
    return found


def shaped(catalog: Catalog, collection: str, item: Item, request: AdminRequest) -> dict[str, Any]:
    """Return one entity as it is shown to the client of a request."""
    return shaper(catalog, collection, request).shape(item)


def shaper(catalog: Catalog, collection: str, request: AdminRequest) -> Shaper:
    """Return what shapes entities for the client of a request."""
    return Shaper(collection, catalog, with_secrets=request.is_trusted)


@dataclass(frozen=True, slots=True)
class CollectionReader:
    """``GET /<collection>`` and ``GET /<collection>/{key}``."""

    collection: Collection

    async def list(self, request: AdminRequest, commands: Commands) -> AdminAnswer:
        """Return a page."""
        catalog = catalog_of(commands)
        name = self.collection.name
        items = catalog.items(name)
        if name == "consumers" and (custom_id := request.query.get("custom_id")):
            items = [item for item in items if item.custom_id == custom_id]
        shape = shaper(catalog, name, request).shape
        return json_answer(200, page_by_id(items, request.query, self.collection.path, shape))

    async def one(self, request: AdminRequest, commands: Commands) -> AdminAnswer:
        """Return one entity."""
        catalog = catalog_of(commands)
        name = self.collection.name
        return json_answer(200, shaped(catalog, name, parent_of(catalog, name, request.keys[0]), request))


@dataclass(frozen=True, slots=True)
class NestedReader:
    """``GET /<parents>/{key}/<children>`` and ``.../{key}``."""

    nesting: Nesting

    async def list(self, request: AdminRequest, commands: Commands) -> AdminAnswer:
        """Return a page."""
        catalog, nesting = catalog_of(commands), self.nesting
        parent = parent_of(catalog, nesting.parent, request.keys[0])
        items = catalog.children(nesting.child, nesting.field, parent.id)
        shape = shaper(catalog, nesting.child, request).shape
        path = f"{collection_of(nesting.parent).path}/{request.keys[0]}/{nesting.segment}"
        return json_answer(200, page_by_id(items, request.query, path, shape))

    async def one(self, request: AdminRequest, commands: Commands) -> AdminAnswer:
        """Return one child of this parent."""
        catalog, nesting = catalog_of(commands), self.nesting
        parent = parent_of(catalog, nesting.parent, request.keys[0])
        child = child_of(catalog, nesting, parent, request.keys[1])
        return json_answer(200, shaped(catalog, nesting.child, child, request))


@dataclass(frozen=True, slots=True)
class ShortcutReader:
    """``GET /<children>/{key}/<reference>``."""

    shortcut: Shortcut

    async def one(self, request: AdminRequest, commands: Commands) -> AdminAnswer:
        """Return what the entity refers to."""
        catalog, shortcut = catalog_of(commands), self.shortcut
        child = parent_of(catalog, shortcut.child, request.keys[0])
        parent_id = getattr(child, shortcut.field)
        if parent_id is None:
            raise not_found()
        parent = parent_of(catalog, shortcut.parent, parent_id)
        return json_answer(200, shaped(catalog, shortcut.parent, parent, request))


# Targets have an order and an offset of their own.


def targets_of(catalog: Catalog, upstream: Item) -> Sequence[Item]:
    """Return the targets of an upstream, newest first."""
    found = catalog.children("targets", "upstream", upstream.id)
    return sorted(found, key=lambda target: (target.created_at, target.id), reverse=True)


def target_of(catalog: Catalog, upstream: Item, key: str) -> Item:
    """Return the target that a path's key means."""
    for target in catalog.children("targets", "upstream", upstream.id):
        if key.lower() == target.id or key == target.target:
            return target
    found = catalog.find("targets", key)
    if found is None or found.upstream != upstream.id:
        raise not_found()
    return found


async def list_targets(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return a page of an upstream's targets."""
    catalog = catalog_of(commands)
    upstream = parent_of(catalog, "upstreams", request.keys[0])
    shape = shaper(catalog, "targets", request).shape
    path = f"/upstreams/{request.keys[0]}/targets"
    return json_answer(200, page_by_count(targets_of(catalog, upstream), request.query, path, shape))


async def list_all_targets(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return a page of an upstream's targets, by id."""
    catalog = catalog_of(commands)
    upstream = parent_of(catalog, "upstreams", request.keys[0])
    items = catalog.children("targets", "upstream", upstream.id)
    path = f"/upstreams/{request.keys[0]}/targets/all"
    return json_answer(200, page_by_id(items, request.query, path, shaper(catalog, "targets", request).shape))


async def one_target(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return one target of an upstream."""
    catalog = catalog_of(commands)
    upstream = parent_of(catalog, "upstreams", request.keys[0])
    return json_answer(
        200, shaped(catalog, "targets", target_of(catalog, upstream, request.keys[1]), request)
    )
