"""Secrets that stand in the files: the lint about them, and their places, for those who show source lines.

Which fields hold secrets is for the schemas to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dbless_gateway.config.document import Map, Span
from dbless_gateway.config.drafts import Draft, Finding, Path
from dbless_gateway.config.messages import is_secret
from dbless_gateway.config.schemas import Record, Schemas, load_schemas
from dbless_gateway.config.validate import is_vault_reference
from dbless_gateway.lint.places import Places
from dbless_gateway.lint.subject import Found, Subject

PLAINTEXT = "lint/plaintext-credential"


def plaintext_credentials(subject: Subject) -> Found:
    """Find secrets that are neither taken from the environment nor references to a vault."""
    for draft, path, schema, value in _hidden_values(subject.places):
        if (
            schema.get("x-kong-secret")
            and isinstance(value, str)
            and value
            and not is_vault_reference(value)
            and not draft.document.is_substituted(draft.source, path)
        ):
            message = f"`{path[-1]}` is a secret, and the file holds it in plain text"
            suggestion = 'take it from the environment: `${{ env "DECK_SECRET" }}`'
            yield draft, Finding(path, PLAINTEXT, message, suggestion)


def secret_spans(places: Places) -> Iterator[tuple[str, Span]]:
    """Yield the file and span of every value that must not be shown, whatever it looks like."""
    for draft, path, _, _ in _hidden_values(places):
        yield draft.document.file, draft.document.full_span(draft.source, path)


def _hidden_values(places: Places) -> Iterator[tuple[Draft, Path, Mapping[str, Any], object]]:
    """Yield each given value of a field that may hold a secret, with its place and the field's schema."""
    schemas = load_schemas()
    for draft in places.drafts:
        for record, values, path in _records(draft, schemas):
            for below, schema, value in _in_record(record, values, path):
                yield draft, below, schema, value


def _records(draft: Draft, schemas: Schemas) -> Iterator[tuple[Record, Mapping[str, Any], Path]]:
    yield schemas.entity(draft.collection).record, draft.fields, ()
    name, config = draft.fields.get("name"), draft.fields.get("config")
    if draft.collection == "plugins" and isinstance(name, str) and isinstance(config, Map):
        plugin = schemas.plugin(name)
        if plugin is not None:
            yield plugin.record, config, ("config",)


def _in_record(
    record: Record, values: Mapping[str, Any], path: Path
) -> Iterator[tuple[Path, Mapping[str, Any], object]]:
    for name, schema in record.properties.items():
        if values.get(name) is not None and is_secret(schema):
            yield (*path, name), schema, values[name]
    for step, inner, inner_values in record.inner(values):
        yield from _in_record(inner, inner_values, (*path, *step))
