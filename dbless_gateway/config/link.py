"""Drafts that are right one by one, made into one whole: ids, references, uniqueness.

References are by name or by id, and nesting is a reference too. A broken entity still has a name: what refers
to it must not be blamed for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dbless_gateway.config.drafts import Draft, Finding, Report
from dbless_gateway.config.identity import derived_id, keyed_id
from dbless_gateway.config.masking import MASK
from dbless_gateway.config.schemas import EntitySchema, Schemas
from dbless_gateway.config.spelling import closest

# Credentials are told apart by their place among the consumer's: see ``identity`` on why not by their key.
_BY_PLACE = frozenset({"keyauth_credentials", "jwt_secrets", "oauth2_credentials", "mtls_auth_credentials"})
# Looking for a similar name costs about 5 microseconds for each name, and there may be thousands of mistakes.
_MAX_COMPARED = 300
_FREE_FIELDS = frozenset({"id", "tags", "created_at", "updated_at", "key", "key_alt"})


class Directory:
    """Every entity by collection, under its id and under its name."""

    def __init__(self) -> None:
        self._by_id: dict[str, dict[str, Draft]] = {}
        self._by_name: dict[str, dict[str, Draft]] = {}

    def add(self, draft: Draft, name: object) -> None:
        """Enter a draft; the first of several with the same id or name stays."""
        self._by_id.setdefault(draft.collection, {}).setdefault(draft.id, draft)
        if isinstance(name, str):
            self._by_name.setdefault(draft.collection, {}).setdefault(name, draft)

    def find(self, collection: str, reference: str) -> Draft | None:
        """Return the entity that is called ``reference``, by its name first."""
        found = self._by_name.get(collection, {}).get(reference)
        return found or self._by_id.get(collection, {}).get(reference.lower())

    def names(self, collection: str) -> list[str]:
        """Return the names in a collection."""
        return list(self._by_name.get(collection, ()))


def assign_ids(drafts: list[Draft], schemas: Schemas) -> None:
    """Give every draft its id; parents come before their children in ``drafts``."""
    ordinals: dict[str, int] = {}
    for draft in drafts:
        given = draft.fields.get("id")
        if isinstance(given, str):
            draft.id = given.lower()
        else:
            draft.id = _derive(draft, schemas.entity(draft.collection), ordinals)


def _derive(draft: Draft, schema: EntitySchema, ordinals: dict[str, int]) -> str:
    fields = draft.fields
    values = [_typed(draft, name) for name in schema.id_fields]
    if len(values) == 1 and values[0]:
        if (
            schema.endpoint_key == schema.id_fields[0]
            and draft.collection != "vaults"
            and not schema.credential_of
        ):
            return derived_id(draft.collection, values[0])
        return keyed_id(draft.collection, values)
    if len(values) > 1:
        group = _typed(draft, "consumer_group") if draft.collection == "plugins" else ""
        return keyed_id(draft.collection, [*values, group] if group else values)
    if draft.collection in _BY_PLACE:
        natural = _typed(draft, "consumer")
    else:
        told = {
            name: value for name, value in fields.items() if name not in _FREE_FIELDS and value is not None
        }
        parent = draft.parent.id if draft.parent is not None else ""
        natural = parent + json.dumps(told, sort_keys=True, default=str)
    key = f"{draft.collection}:{natural}"
    ordinal = ordinals[key] = ordinals.get(key, -1) + 1
    return keyed_id(draft.collection, ["", natural, str(ordinal)])


def _typed(draft: Draft, name: str) -> str:
    """Return a field as Kong puts it into a key: the parent's id when nested, else what the file says."""
    if draft.parent is not None and name == draft.parent_field:
        return draft.parent.id
    # The source, because a target's text is completed in ``fields``; the fields, because decK has defaults.
    value: Any = draft.document.value(draft.node, (name,), draft.fields.get(name))
    if isinstance(value, dict):
        value = value.get("id") or value.get("name")
    return value if isinstance(value, str) else ""


def link(drafts: list[Draft], schemas: Schemas, report: Report) -> Directory:
    """Resolve every reference to an id, in place, and report what is missing or not unique."""
    directory = Directory()
    for draft in drafts:
        name = schemas.entity(draft.collection).endpoint_key
        directory.add(draft, draft.fields.get(name) if name else None)
    _check_unique(drafts, schemas, report)
    for draft in drafts:
        record = schemas.entity(draft.collection).record
        for field, collection in record.references.items():
            required = "x-kong-required" in record.properties[field]
            draft.fields[field] = _resolve(draft, field, collection, required, directory, report)
    return directory


def _resolve(
    draft: Draft, field: str, collection: str, required: bool, directory: Directory, report: Report
) -> str | None:
    value = draft.fields.get(field)
    if field == draft.parent_field and draft.parent is not None:
        if value is not None and _target_of(value, collection, directory) is not draft.parent:
            hint = "the entity is nested, and nesting already says which one is meant"
            report.add(draft, Finding((field,), "reference/null", "value must be null", hint))
        return draft.parent.id
    if value is None:
        if required:
            report.add(draft, Finding((field,), "schema/required", "required field missing"))
        return None
    found = _target_of(value, collection, directory)
    if found is None:
        reference = _as_reference(value)
        if reference is not None:
            report.add(draft, missing_reference((field,), reference, collection, directory))
        return None
    return found.id


def _as_reference(value: Any) -> str | None:
    reference = value.get("id") or value.get("name") if isinstance(value, dict) else value
    return reference if isinstance(reference, str) else None


def _target_of(value: Any, collection: str, directory: Directory) -> Draft | None:
    reference = _as_reference(value)
    return directory.find(collection, reference) if reference is not None else None


def missing_reference(
    path: tuple[str | int, ...], reference: str, collection: str, directory: Directory
) -> Finding:
    """Return the finding for a reference to something that is not in the configuration."""
    names = directory.names(collection)
    match = closest(reference, names, 0.7) if len(names) <= _MAX_COMPARED else None
    return Finding(
        path,
        "reference/missing",
        f"invalid reference '{path[0]}: {reference}' (no such entry in '{collection}')",
        f"did you mean `{match}`?" if match else None,
    )


def _check_unique(drafts: list[Draft], schemas: Schemas, report: Report) -> None:
    # By collection and field ("" is the id), so that an entity costs an entry and no key of its own.
    seen: dict[tuple[str, str], dict[str, Draft]] = {}
    for draft in drafts:
        schema = schemas.entity(draft.collection)
        clash = False
        for field in schema.unique:
            value = draft.fields.get(field)
            if not isinstance(value, str):
                continue
            first = seen.setdefault((draft.collection, field), {}).setdefault(value, draft)
            if first is not draft:
                secret = "x-kong-secret" in schema.record.properties[field]
                _report_clash(draft, field, MASK if secret else value, first, report)
                clash = True
        first = seen.setdefault((draft.collection, ""), {}).setdefault(draft.id, draft)
        if first is not draft and not clash:
            _report_clash(draft, "", draft.id, first, report)


def _report_clash(draft: Draft, field: str, value: str, first: Draft, report: Report) -> None:
    what = field or "primary key"
    message = (
        f"uniqueness violation: '{draft.collection}' entity with {what} set to '{value}' already declared"
    )
    where = first.where
    hint = f"the first one is in {where.file}, line {where.line}"
    path = (field,) if field else ("id",) if draft.document.has(draft.node, ("id",)) else ()
    report.add(draft, Finding(path, "unique/value" if field else "unique/id", message, hint))


def memberships(drafts: list[Draft], directory: Directory, report: Report) -> list[tuple[str, str]]:
    """Return (consumer id, group id) for every way in which a file can say so."""
    pairs: dict[tuple[str, str], None] = {}
    for draft in drafts:
        if draft.collection == "consumers":
            for group in _members(draft, "groups", "consumer_groups", "name", directory, report):
                pairs[draft.id, group] = None
        elif draft.collection == "consumer_groups":
            for consumer in _members(draft, "consumers", "consumers", "username", directory, report):
                pairs[consumer, draft.id] = None
        elif draft.collection == "consumer_group_consumers":
            pair = (draft.fields.get("consumer"), draft.fields.get("consumer_group"))
            if isinstance(pair[0], str) and isinstance(pair[1], str):
                pairs[pair[0], pair[1]] = None
    return list(pairs)


def _members(
    draft: Draft, field: str, collection: str, name: str, directory: Directory, report: Report
) -> Iterable[str]:
    for index, item in enumerate(draft.fields.get(field) or ()):
        reference = _reference(item, name)
        if reference is None:
            report.add(draft, Finding((field, index), "schema/required", f"`{name}` or `id` is required"))
            continue
        found = directory.find(collection, reference)
        if found is None:
            report.add(draft, missing_reference((field, index), reference, collection, directory))
        else:
            yield found.id


def _reference(item: object, name: str) -> str | None:
    value: object = (item.get(name) or item.get("id")) if isinstance(item, Mapping) else item
    return value if isinstance(value, str) else None


def check_authorities(drafts: list[Draft], directory: Directory, report: Report) -> None:
    """Report services that trust a CA certificate which is not there."""
    for draft in drafts:
        if draft.collection == "services":
            listed: Any = draft.fields.get("ca_certificates") or ()
            for index, reference in enumerate(listed):
                if isinstance(reference, str) and directory.find("ca_certificates", reference) is None:
                    path = ("ca_certificates", index)
                    report.add(draft, missing_reference(path, reference, "ca_certificates", directory))
