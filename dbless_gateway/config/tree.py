"""A document to a flat list of entity drafts, parents before their children.

Answers which entities a file contains and what is nested in what. It looks at the shape only: collections are
lists, entities are mappings, top-level keys exist. What the fields mean is for the stages behind it.
"""

from __future__ import annotations

from typing import Any

from dbless_gateway.config.document import Document, Map, Seq
from dbless_gateway.config.drafts import Draft, Finding, Path, Report
from dbless_gateway.config.schemas import EntitySchema, Schemas

# A generator gone wild is stopped here; the largest configurations known have some 100,000 entities.
MAX_ENTITIES = 1_000_000


def collect_drafts(document: Document, schemas: Schemas, report: Report) -> list[Draft]:
    """Return every entity of the document, nested ones behind their parents."""
    walk = _Walk(document, schemas, report)
    for collection in schemas.collections:
        if document.data.get(collection) is not None:
            walk.collection(collection, document.data[collection], (collection,), None, None)
    return walk.drafts


class _Walk:
    def __init__(self, document: Document, schemas: Schemas, report: Report) -> None:
        self.document = document
        self.schemas = schemas
        self.report = report
        self.drafts: list[Draft] = []

    def collection(
        self, collection: str, items: Any, path: Path, parent: Draft | None, parent_field: str | None
    ) -> None:
        """Walk one list of entities."""
        if items == {}:
            return
        if not isinstance(items, Seq):
            self._misshapen(parent, path, "expected an array")
            return
        schema = self.schemas.entity(collection)
        for index, item in enumerate(items):
            if len(self.drafts) >= MAX_ENTITIES:
                message = f"more than {MAX_ENTITIES:,} entities"
                self.report.add_place(self.document, path, Finding((), "format/too-many", message))
                return
            if isinstance(item, Map):
                self._entity(schema, item, str(path[-1]), index, parent, parent_field)
            elif item is None:
                self._misshapen(parent, (*path, index), "required field missing", "schema/required")
            else:
                self._misshapen(parent, (*path, index), "expected a record")

    def _entity(
        self,
        schema: EntitySchema,
        item: Map,
        key: str,
        index: int,
        parent: Draft | None,
        parent_field: str | None,
    ) -> None:
        children = schema.record.children
        present = [name for name in children if name in item] if children else []
        fields = (
            {name: value for name, value in item.items() if name not in present} if present else dict(item)
        )
        draft = Draft(
            collection=schema.collection,
            kind=schema.kind,
            document=self.document,
            source=item,
            fields=fields,
            key=key,
            index=index,
            parent=parent,
            parent_field=parent_field,
        )
        self.drafts.append(draft)
        for name in present:
            collection, field = children[name]
            if item[name] is not None:
                self.collection(collection, item[name], (name,), draft, field)

    def _misshapen(self, parent: Draft | None, path: Path, message: str, code: str = "schema/type") -> None:
        if parent is None:
            self.report.add_place(self.document, path, Finding((), code, message))
        else:
            self.report.add(parent, Finding(path, code, message))
