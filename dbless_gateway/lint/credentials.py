"""Secrets that stand in the files: the lint about them, and their places, for those who show source lines.

Which fields hold secrets is for the schemas to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dbless_gateway.config.document import Span
from dbless_gateway.config.drafts import Draft, Finding, Path
from dbless_gateway.config.entities import Entities
from dbless_gateway.config.messages import is_secret
from dbless_gateway.config.schemas import Record, Schemas, load_schemas
from dbless_gateway.config.validate import is_vault_reference
from dbless_gateway.lint.places import Places

PLAINTEXT = "lint/plaintext-credential"


def plaintext_credentials(places: Places) -> Iterator[tuple[Draft, Finding]]:
    """Find secrets that are neither taken from the environment nor references to a vault."""
    for draft, path, schema, value in _hidden_values(places):
        if _is_plaintext(schema, value) and not draft.document.is_substituted(draft.node, path):
            message = f"`{path[-1]}` is a secret, and the file holds it in plain text"
            suggestion = 'take it from the environment: `${{ env "DECK_SECRET" }}`'
            yield draft, Finding(path, PLAINTEXT, message, suggestion)


def may_have_secrets(entities: Entities) -> bool:
    """Tell whether there is anything to look for: to go back to the files is much of the whole work."""
    if entities.credentials or entities.certificates or entities.keys:
        return True
    records = _HidingRecords(load_schemas())
    return any(
        _is_plaintext(schema, value)
        for plugin in entities.plugins
        if (record := records.of_plugin(plugin.name)) is not None
        for _, schema, value in _in_record(record, plugin.config, ())
    )


def _is_plaintext(schema: Mapping[str, Any], value: object) -> bool:
    is_given = isinstance(value, str) and value and not is_vault_reference(value)
    return bool(is_given and schema.get("x-kong-secret"))


def secret_spans(places: Places) -> Iterator[tuple[str, Span]]:
    """Yield the file and span of every value that must not be shown, whatever it looks like."""
    for draft, path, _, _ in _hidden_values(places):
        yield draft.document.file, draft.document.full_span(draft.node, path)


def _hidden_values(places: Places) -> Iterator[tuple[Draft, Path, Mapping[str, Any], object]]:
    """Yield each given value of a field that may hold a secret, with its place and the field's schema."""
    records = _HidingRecords(load_schemas())
    for draft in places.drafts():
        record = records.of_entity(draft.collection)
        if record is not None:
            for path, schema, value in _in_record(record, draft.given(), ()):
                yield draft, path, schema, value
        if draft.collection == "plugins":
            name = draft.document.value(draft.node, ("name",))
            record = records.of_plugin(name) if isinstance(name, str) else None
            config = draft.document.value(draft.node, ("config",)) if record is not None else None
            if record is not None and isinstance(config, dict):
                for path, schema, value in _in_record(record, config, ("config",)):
                    yield draft, path, schema, value


class _HidingRecords:
    """The records that have a secret somewhere; most have none, and need not be walked."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._entities: dict[str, Record | None] = {}
        self._plugins: dict[str, Record | None] = {}

    def of_entity(self, collection: str) -> Record | None:
        if collection not in self._entities:
            entity = self._schemas.entity(collection)
            self._entities[collection] = entity.record if _may_hide(entity.schema) else None
        return self._entities[collection]

    def of_plugin(self, name: str) -> Record | None:
        if name not in self._plugins:
            plugin = self._schemas.plugin(name)
            hides = plugin is not None and _may_hide(plugin.schema)
            self._plugins[name] = plugin.record if plugin is not None and hides else None
        return self._plugins[name]


def _may_hide(schema: Any) -> bool:
    if isinstance(schema, dict):
        return is_secret(schema) or any(map(_may_hide, schema.values()))
    return isinstance(schema, list) and any(map(_may_hide, schema))


def _in_record(
    record: Record, values: Mapping[str, Any], path: Path
) -> Iterator[tuple[Path, Mapping[str, Any], object]]:
    for name, schema in record.properties.items():
        if values.get(name) is not None and is_secret(schema):
            yield (*path, name), schema, values[name]
    for step, inner, inner_values in record.inner(values):
        yield from _in_record(inner, inner_values, (*path, *step))
