"""From a write to the steps that make it in a file: which entity, where it stands, what changes.

Runs in the editor process, over the file as it is now. Rules of the file:

1. Whatever Kong checks before it writes is checked first, with its errors: the schema (``judging``) and what
   holds between entities (``constraints``).
2. A child is written inside its parent, as people write it.
3. An id that would change because a name changes is written down, and so is one that only a place would give.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dbless_gateway.admin.catalog import Catalog, Item, is_uuid
from dbless_gateway.admin.changes import Change
from dbless_gateway.admin.collections import NESTINGS
from dbless_gateway.admin.constraints import check_unique, check_unused, resolved, with_children
from dbless_gateway.admin.failures import not_found, plain
from dbless_gateway.admin.judging import check
from dbless_gateway.admin.patching import merged, patch_steps, split_url, tidy
from dbless_gateway.admin.reading import child_of, no_such, parent_of, target_of
from dbless_gateway.config.document import ROOT, Document
from dbless_gateway.config.document import plain as plain_data
from dbless_gateway.config.drafts import Draft
from dbless_gateway.config.edit_steps import Add, Drop, Step
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.schemas import EntitySchema, load_schemas
from dbless_gateway.lint.places import Places


class Plan(NamedTuple):
    """What to do in which file; without a document there is nothing to do."""

    document: Document | None
    steps: Sequence[Step]
    entity_id: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans writes over a loaded configuration."""

    entities: Entities
    flavor: str
    catalog: Catalog
    places: Places

    @classmethod
    def over(cls, entities: Entities, read: Callable[[], Sequence[Document]], flavor: str) -> Planner:
        """Make a planner."""
        return cls(entities, flavor, Catalog(entities), Places(read))

    def plan(self, change: Change) -> Plan:
        """Return how to make a change; raises a ``Failure`` when it cannot be."""
        fields = dict(change.fields)
        if change.parent is not None:
            parent = parent_of(self.catalog, change.parent.collection, change.parent.key)
            fields[change.parent.field] = {"id": parent.id}
        item = self._item(change)
        if change.method == "DELETE":
            return self._delete(change.collection, item) if item is not None else Plan(None, (), "", False)
        if change.method == "PATCH":
            if item is None:
                raise no_such(change.collection, change.key or "", is_nested=change.parent is not None)
            return self._update(change.collection, item, fields)
        fields = self._with_key(change, fields)
        if item is not None:
            return self._replace(change.collection, item, fields)
        return self._create(change.collection, fields)

    def _item(self, change: Change) -> Item | None:
        """Return the entity that is meant; None when there is none yet."""
        if change.through is not None:
            through = parent_of(self.catalog, change.through.collection, change.through.key)
            found = getattr(through, change.through.field)
            if found is None:
                raise not_found()
            return self.catalog.find(change.collection, found)
        if change.key is None:
            return None
        found = self.catalog.find(change.collection, change.key)
        if change.parent is None:
            return found
        parent = parent_of(self.catalog, change.parent.collection, change.parent.key)
        if change.collection == "targets":
            known = self.catalog.children("targets", "upstream", parent.id)
            is_there = any(change.key.lower() == target.id for target in known)
            return target_of(self.catalog, parent, change.key) if is_there or found in known else None
        if found is not None and getattr(found, change.parent.field) != parent.id:
            raise not_found()
        if found is None and change.collection == "acls" and change.method != "PUT":
            nesting = next(row for row in NESTINGS if row.child == "acls")
            return child_of(self.catalog, nesting, parent, change.key)
        return found

    # Making.

    def _with_key(self, change: Change, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields with what the path of a PUT says about id or name."""
        key = change.key if change.through is None else None
        schema = load_schemas().entity(change.collection)
        if key is not None and is_uuid(key):
            fields["id"] = key.lower()
        elif key is not None and schema.endpoint_key is not None:
            fields[schema.endpoint_key] = key
        elif key is not None:
            raise plain(400, f"'{key}' is not an id")
        return fields

    def _create(self, collection: str, given: dict[str, Any]) -> Plan:
        schema = load_schemas().entity(collection)
        fields = resolved(self.catalog, schema, tidy(given))
        check(collection, fields, self.flavor)
        check_unique(self.catalog, schema, fields, None)
        natural = schema.id_fields
        if "id" not in fields and (not natural or (len(natural) == 1 and fields.get(natural[0]) is None)):
            fields = {"id": str(uuid.uuid4()), **fields}
        return self._added(schema, fields, str(fields.get("id", "")))

    def _added(self, schema: EntitySchema, fields: dict[str, Any], entity_id: str) -> Plan:
        owner = self._owner(schema, fields)
        written = self._written(schema, fields)
        if owner is None:
            document = self._document_for(schema.collection)
            return Plan(document, [Add((), schema.collection, written)], entity_id, True)
        draft, field, key = owner
        written.pop(field, None)
        return Plan(draft.document, [Add(draft.path(), key, written)], entity_id, True)

    def _owner(self, schema: EntitySchema, fields: Mapping[str, Any]) -> tuple[Draft, str, str] | None:
        """Return the entity to write inside of, the reference that this replaces, and the list's name."""
        given = [
            (name, collection)
            for name, collection in schema.record.references.items()
            if fields.get(name) is not None and name != "client_certificate"
        ]
        if len(given) != 1:
            return None
        name, collection = given[0]
        parent = self.catalog.find(collection, fields[name]["id"])
        children = load_schemas().entity(collection).record.children
        key = next((key for key, row in children.items() if row == (schema.collection, name)), None)
        return (self.places.of(parent), name, key) if parent is not None and key is not None else None

    def _document_for(self, collection: str) -> Document:
        """Return the file that has such entities already, else the first."""
        documents = self.places.documents
        return next((document for document in documents if document.value(ROOT, (collection,))), documents[0])

    def _written(self, schema: EntitySchema, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields as a file should hold them: references by name."""
        written = dict(fields)
        for name, collection in schema.record.references.items():
            if written.get(name) is not None:
                item = self.catalog.find(collection, written[name]["id"])
                endpoint_key = load_schemas().entity(collection).endpoint_key
                label = getattr(item, endpoint_key) if item is not None and endpoint_key else None
                written[name] = label or written[name]["id"]
        return written

    # Changing.

    def _update(self, collection: str, item: Item, patch: dict[str, Any]) -> Plan:
        schema, draft = load_schemas().entity(collection), self.places.of(item)
        source = plain_data(draft.source)
        patch = resolved(self.catalog, schema, dict(patch))
        fields = merged(self._own(schema, draft, item), patch)
        if collection == "services":
            split_url(patch, source, item)
        check(collection, {name: value for name, value in fields.items() if value is not None}, self.flavor)
        check_unique(
            self.catalog, schema, {name: value for name, value in fields.items() if name in patch}, item
        )
        if self._moves(schema, draft, item, patch):
            return self._move(schema, draft, item, fields)
        patch = {name: value for name, value in patch.items() if name not in ("id", draft.parent_field)}
        written = self._written(schema, {**patch, **self._kept_id(schema, draft, item, patch)})
        steps = list(patch_steps(draft, source, (), written, keeps_null=False))
        return Plan(draft.document, steps, item.id, False)

    def _replace(self, collection: str, item: Item, given: dict[str, Any]) -> Plan:
        schema, draft = load_schemas().entity(collection), self.places.of(item)
        source = plain_data(draft.source)
        fields = resolved(self.catalog, schema, tidy(given))
        fields.pop("id", None)
        check(collection, fields, self.flavor)
        check_unique(self.catalog, schema, fields, item)
        if self._moves(schema, draft, item, {name: fields.get(name) for name in schema.record.references}):
            return self._move(schema, draft, item, fields)
        fields.pop(draft.parent_field or "", None)
        kept = {"id", "_comment", "_ignore", *schema.record.children}
        gone = {name: None for name in source if name not in fields and name not in kept}
        fields = self._without_defaults(schema, draft, fields, source)
        written = self._written(schema, {**fields, **self._kept_id(schema, draft, item, fields)})
        steps = list(patch_steps(draft, source, (), {**gone, **written}, keeps_null=False, replaces=True))
        return Plan(draft.document, steps, item.id, False)

    def _without_defaults(
        self, schema: EntitySchema, draft: Draft, fields: dict[str, Any], source: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Leave out what the file need not say; a file with defaults of its own must say everything."""
        if any(document.value(ROOT, ("_info", "defaults")) for document in self.places.documents):
            return fields
        properties = schema.record.properties
        return {
            name: value
            for name, value in fields.items()
            if name in source
            or "default" not in properties.get(name, {})
            or properties[name]["default"] != value
        }

    def _own(self, schema: EntitySchema, draft: Draft, item: Item) -> dict[str, Any]:
        """Return the fields of an entity as its file has them, with its references as ids."""
        own = {
            name: plain_data(value)
            for name, value in draft.fields.items()
            if name not in ("id", "_comment", "_ignore")
        }
        for name in schema.record.references:
            value = getattr(item, name, None)
            own[name] = {"id": value} if value is not None else None
        return own

    def _kept_id(
        self, schema: EntitySchema, draft: Draft, item: Item, patch: Mapping[str, Any]
    ) -> dict[str, str]:
        """Return the id to write down when what it is derived from changes."""
        if "id" in draft.source or not any(name in patch for name in schema.id_fields):
            return {}
        changed = [
            name for name in schema.id_fields if name in patch and patch[name] != draft.source.get(name)
        ]
        return {"id": item.id} if changed else {}

    def _moves(self, schema: EntitySchema, draft: Draft, item: Item, patch: Mapping[str, Any]) -> bool:
        """Tell whether the entity belongs into another parent from now on."""
        field = draft.parent_field
        if draft.parent is None or field is None or field not in patch:
            return False
        wanted = patch[field]["id"] if isinstance(patch[field], dict) else None
        return bool(wanted != getattr(item, field))

    def _move(self, schema: EntitySchema, draft: Draft, item: Item, fields: dict[str, Any]) -> Plan:
        if draft.document.substituted:
            # What stands for a variable would be written down as its value, which may be a secret.
            raise plain(409, "the file uses variables; move the entity to its new parent by hand")
        children = {
            name: plain_data(draft.source[name]) for name in schema.record.children if name in draft.source
        }
        kept = {name: value for name, value in fields.items() if value is not None}
        plan = self._added(schema, {"id": item.id, **kept, **children}, item.id)
        if plan.document is not draft.document:
            raise plain(409, "the entity and its new parent are in different files; move it by hand")
        return Plan(draft.document, [Drop(draft.path()), *plan.steps], item.id, False)

    # Deleting.

    def _delete(self, collection: str, item: Item) -> Plan:
        check_unused(self.catalog, collection, item)
        drafts = [self.places.of(gone) for gone in with_children(self.catalog, collection, item)]
        documents = {id(draft.document) for draft in drafts}
        if len(documents) > 1:
            raise plain(409, "the entity and what belongs to it are in different files; delete it by hand")
        paths = {draft.path() for draft in drafts}
        # What is written inside of something that goes need not be dropped by itself.
        outer = [path for path in paths if not any(path[:n] in paths for n in range(1, len(path)))]
        return Plan(drafts[0].document, [Drop(path) for path in sorted(outer, key=str)], item.id, False)
