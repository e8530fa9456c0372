"""Writing entities: the answers of Kong without a database, or a change of the file.

Without ``admin_write`` a write is judged as Kong judges it and then refused, with a hint that shows the
change to make by hand. With it, the change goes to the editor (see ``planning.py``) and is answered when all
workers serve it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from dbless_gateway.admin.bodies import fields_of, media_type, typed_plugin_config
from dbless_gateway.admin.catalog import Catalog, is_uuid
from dbless_gateway.admin.changes import Change, Parent
from dbless_gateway.admin.collections import Shortcut
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.failures import Failure, named, not_found
from dbless_gateway.admin.judging import check
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, empty_answer, json_answer
from dbless_gateway.admin.reading import catalog_of, no_such, parent_of, shaped
from dbless_gateway.config.masking import MASK
from dbless_gateway.config.schemas import load_schemas

_VERBS = {"POST": "create", "PUT": "create or update", "PATCH": "update", "DELETE": "remove"}


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes to one collection, or to the children of one kind of parent."""

    collection: str
    parent: str | None = None
    field: str = ""

    async def write(self, request: AdminRequest, commands: Commands) -> AdminAnswer:
        """Make the change, or say why not."""
        keys = request.keys
        parent = Parent(self.parent, keys[0], self.field) if self.parent is not None else None
        key = keys[1 if parent is not None else 0] if len(keys) > (1 if parent is not None else 0) else None
        return await _write(self._change(request, commands, key, parent), request, commands)

    def _change(
        self, request: AdminRequest, commands: Commands, key: str | None, parent: Parent | None
    ) -> Change:
        fields = {} if request.method == "DELETE" else fields_of(request, self.collection)
        if request.method == "PATCH" and self.collection == "plugins":
            fields = _with_typed_config(request, commands, key, fields)
        match = request.headers.get("if-match")
        return Change(
            method=request.method,
            collection=self.collection,
            key=key,
            fields=fields,
            parent=parent,
            if_match=match.strip().strip('"') if match else None,
        )


@dataclass(frozen=True, slots=True)
class ShortcutWriter:
    """Writes to what an entity refers to."""

    shortcut: Shortcut

    async def write(self, request: AdminRequest, commands: Commands) -> AdminAnswer:
        """Make the change, or say why not."""
        row = self.shortcut
        change = Change(
            method="PATCH",
            collection=row.parent,
            key=None,
            fields=fields_of(request, row.parent),
            through=Parent(row.child, request.keys[0], row.field),
        )
        if not commands.can_write():
            catalog = catalog_of(commands)
            child = parent_of(catalog, row.child, request.keys[0])
            if getattr(child, row.field) is None:
                raise not_found()
        return await _write(change, request, commands)


async def _write(change: Change, request: AdminRequest, commands: Commands) -> AdminAnswer:
    if not commands.can_write():
        await _refuse(change, commands)
    written = await commands.write(change)
    if change.method == "DELETE":
        return empty_answer()
    catalog = catalog_of(commands)
    item = catalog.find(change.collection, written.entity_id)
    if item is None:
        # Another write has taken it away since; this one was made all the same.
        raise not_found()
    status = 201 if change.method == "POST" else 200
    return json_answer(status, shaped(catalog, change.collection, item, request))


def _with_typed_config(
    request: AdminRequest, commands: Commands, key: str | None, fields: dict[str, Any]
) -> dict[str, Any]:
    """Convert a form's configuration for a plugin whose name only the served entity tells."""
    is_form = media_type(request) != "application/json"
    item = catalog_of(commands).find("plugins", key) if is_form and key is not None else None
    config = fields.get("config")
    if item is None or not isinstance(config, dict):
        return fields
    return {**fields, "config": typed_plugin_config(config, item.name)}


# Without a database, and without leave to write.


async def _refuse(change: Change, commands: Commands) -> None:
    """Raise what Kong answers without a database."""
    catalog = catalog_of(commands)
    if change.parent is not None:
        parent = parent_of(catalog, change.parent.collection, change.parent.key)
        change = _with_parent(change, parent.id)
    item = catalog.find(change.collection, change.key) if change.key is not None else None
    if change.key is not None and not is_uuid(change.key) and change.parent is None:
        name = load_schemas().entity(change.collection).endpoint_key
        if name is not None and (item is not None or change.method == "PUT"):
            raise _unsupported(change, catalog, f" by '{name}'")
    if change.method == "DELETE" and item is None:
        raise Failure(empty_answer())
    if change.method == "PATCH" and change.key is not None and item is None:
        raise no_such(change.collection, change.key, is_nested=change.parent is not None)
    if change.method in ("POST", "PUT"):
        flavor = str(commands.settings().get("router_flavor", "traditional_compatible"))
        given = {name: value for name, value in change.fields.items() if value is not None}
        await asyncio.to_thread(check, change.collection, given, flavor)
    raise _unsupported(change, catalog, "")


def _with_parent(change: Change, parent_id: str) -> Change:
    assert change.parent is not None
    fields = {**change.fields, change.parent.field: {"id": parent_id}}
    return Change(change.method, change.collection, change.key, fields, change.parent)


def _unsupported(change: Change, catalog: Catalog, how: str) -> Exception:
    text = f"cannot {_VERBS[change.method]} '{change.collection}' entities{how} when not using a database"
    return named("operation unsupported", text, hint=_hint(change, catalog))


def _hint(change: Change, catalog: Catalog) -> str:
    """Return what to do instead: the same change in the file."""
    item = catalog.find(change.collection, change.key) if change.key is not None else None
    way = "Start the gateway with --admin-write to allow this, or change the file"
    if change.method == "DELETE" or (change.method == "PATCH" and item is not None and not change.fields):
        place = f"{item.where.file}, line {item.where.line}" if item is not None else "the file"
        return f"{way}: remove the entity at {place}"
    fields = _masked(change.collection, change.fields)
    if item is not None:
        return f"{way}: at {item.where.file}, line {item.where.line}, set\n{_yaml(fields)}"
    return f"{way}: add\n{_yaml({change.collection: [fields]})}"


def _masked(collection: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    properties = load_schemas().entity(collection).record.properties
    return {
        name: MASK if properties.get(name, {}).get("x-kong-secret") else value
        for name, value in fields.items()
    }


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text
