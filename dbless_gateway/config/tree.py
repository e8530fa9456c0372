"""A document to a flat list of entity drafts, parents before their children.

Answers which entities a file contains and what is nested in what. It looks at the shape only: collections are
lists, entities are mappings, top-level keys exist. What the fields mean is for the stages behind it.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbless_gateway.config.document import ROOT, Document
from dbless_gateway.config.drafts import Draft, Finding, Path, Report
from dbless_gateway.config.schemas import Schemas

# A generator gone wild is stopped here; the largest configurations known have some 100,000 entities.
MAX_ENTITIES = 1_000_000


def collect_drafts(document: Document, schemas: Schemas, report: Report) -> Iterator[Draft]:
    """Yield every entity of the document, nested ones behind their parents."""
    walk = _Walk(document, schemas, report)
    for collection in schemas.collections:
        items = document.find(ROOT, (collection,))
        if items is not None and document.values[items] is not None:
            yield from walk.collection(collection, items, (collection,), None, None)


class _Walk:
    def __init__(self, document: Document, schemas: Schemas, report: Report) -> None:
        self.document = document
        self.schemas = schemas
        self.report = report
        self.count = 0

    def collection(
        self, collection: str, items: int, path: Path, parent: Draft | None, parent_field: str | None
    ) -> Iterator[Draft]:
        """Walk one list of entities."""
        document = self.document
        if not document.is_sequence(items):
            if document.build(items) != {}:
                self._misshapen(parent, path, "expected an array")
            return
        schema = self.schemas.entity(collection)
        for index, item in enumerate(document.items(items)):
            if self.count >= MAX_ENTITIES:
                message = f"more than {MAX_ENTITIES:,} entities"
                self.report.add_place(document, path, Finding((), "format/too-many", message))
                return
            if document.is_mapping(item):
                self.count += 1
                yield from self._entity(
                    Draft(schema, document, item, str(path[-1]), index, parent, parent_field)
                )
            elif document.values[item] is None:
                self._misshapen(parent, (*path, index), "required field missing", "schema/required")
            else:
                self._misshapen(parent, (*path, index), "expected a record")

    def _entity(self, draft: Draft) -> Iterator[Draft]:
        yield draft
        children = draft.schema.record.children
        if not children:
            return
        given = self.document.some(draft.node, children)
        for name, (collection, field) in children.items():
            if name in given and self.document.values[given[name]] is not None:
                yield from self.collection(collection, given[name], (name,), draft, field)

    def _misshapen(self, parent: Draft | None, path: Path, message: str, code: str = "schema/type") -> None:
        if parent is None:
            self.report.add_place(self.document, path, Finding((), code, message))
        else:
            self.report.add(parent, Finding(path, code, message))
