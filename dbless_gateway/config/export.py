"""Entities back to a document that loads to the same entities.

Two forms: *nested*, as decK writes it (children inside their parents, references by name), and *flat*, as
Kong's ``/config`` answers. Values are plain data for any YAML or JSON writer; this module does not write
text. Secrets are masked on request, and then the document is for reading only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from types import MappingProxyType
from typing import Any

from dbless_gateway.config import entities as e
from dbless_gateway.config.masking import MASK
from dbless_gateway.config.schemas import Record, Schemas, load_schemas
from dbless_gateway.config.validate import is_vault_reference

Fields = dict[str, Any]

# Parents in the order in which a child is nested into the first one it has; a plugin of several stays on top.
_PARENTS: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "routes": (("service", "services"),),
        "plugins": (
            ("service", "services"),
            ("route", "routes"),
            ("consumer", "consumers"),
            ("consumer_group", "consumer_groups"),
        ),
        "targets": (("upstream", "upstreams"),),
        "snis": (("certificate", "certificates"),),
        "keys": (("set", "key_sets"),),
    }
)
_COLLECTIONS = (
    "services",
    "routes",
    "consumers",
    "consumer_groups",
    "plugins",
    "upstreams",
    "targets",
    "certificates",
    "snis",
    "ca_certificates",
    "vaults",
    "key_sets",
    "keys",
)


def export(entities: e.Entities, *, nested: bool = True, mask_secrets: bool = False) -> Fields:
    """Return the document; passwords are already hashed, so it says ``_transform: false``."""
    exporter = _Exporter(entities, load_schemas(), mask_secrets=mask_secrets)
    document = exporter.nested() if nested else exporter.flat()
    return {"_format_version": entities.format_version, "_transform": False} | document


class _Exporter:
    def __init__(self, entities: e.Entities, schemas: Schemas, *, mask_secrets: bool) -> None:
        self._entities = entities
        self._schemas = schemas
        self._mask = mask_secrets
        self._names = self._names_by_id()

    def flat(self) -> Fields:
        """Return every collection at the top level, references by id."""
        document = {name: [self._fields(name, item) for item in self._items(name)] for name in _COLLECTIONS}
        for credential in self._entities.credentials:
            document.setdefault(credential.kind, []).append(self._credential(credential))
        document["consumer_group_consumers"] = [
            {"consumer": consumer, "consumer_group": group}
            for consumer, group in self._entities.group_members
        ]
        return {name: values for name, values in document.items() if values}

    def nested(self) -> Fields:
        """Return children inside their parents, and other references by name."""
        by_id: dict[tuple[str, str], Fields] = {}
        document: dict[str, list[Fields]] = {}
        for name in _COLLECTIONS:
            for item in self._items(name):
                by_id[name, item.id] = self._fields(name, item)
        for (name, _), fields in by_id.items():
            self._place(name, fields, _PARENTS.get(name, ()), by_id, document)
        for credential in self._entities.credentials:
            parents = (("consumer", "consumers"),)
            self._place(credential.kind, self._credential(credential), parents, by_id, document)
        for consumer, group in self._entities.group_members:
            reference = {"id": group} if group not in self._names else {"name": self._names[group]}
            by_id["consumers", consumer].setdefault("groups", []).append(reference)
        return document

    def _items(self, name: str) -> Iterable[Any]:
        items: Iterable[Any] = getattr(self._entities, name)
        return items

    def _place(
        self,
        name: str,
        fields: Fields,
        parents: tuple[tuple[str, str], ...],
        by_id: Mapping[tuple[str, str], Fields],
        document: dict[str, list[Fields]],
    ) -> None:
        """Put an entity into its only parent, or on top."""
        given = [(field, collection) for field, collection in parents if fields.get(field) is not None]
        if len(given) == 1:
            field, collection = given[0]
            parent = by_id[collection, fields.pop(field)]
            self._use_names(name, fields)
            parent.setdefault(name, []).append(fields)
        else:
            self._use_names(name, fields)
            document.setdefault(name, []).append(fields)

    def _use_names(self, name: str, fields: Fields) -> None:
        for field in self._schemas.entity(name).record.references:
            if fields.get(field) in self._names:
                fields[field] = self._names[fields[field]]

    def _names_by_id(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for collection in _COLLECTIONS:
            key = self._schemas.entity(collection).endpoint_key
            for item in self._items(collection) if key is not None else ():
                value = getattr(item, str(key), None)
                if isinstance(value, str):
                    names[item.id] = value
        return names

    def _fields(self, name: str, item: Any) -> Fields:
        record = self._schemas.entity(name).record
        fields = {key: _plain(getattr(item, key)) for key in item.__match_args__ if key != "where"}
        if self._mask:
            fields = _masked(record, fields)
        if name == "plugins":
            fields["config"] = self._config(item)
        return record.without_blanks(fields)

    def _config(self, plugin: e.Plugin) -> Fields:
        schema = self._schemas.plugin(plugin.name)
        config: Fields = _plain(plugin.config)
        if schema is None:
            return config
        return schema.record.without_blanks(_masked(schema.record, config) if self._mask else config)

    def _credential(self, credential: e.Credential) -> Fields:
        record = self._schemas.entity(credential.kind).record
        fields = {
            "id": credential.id,
            "consumer": credential.consumer,
            **_plain(credential.fields),
            "tags": _plain(credential.tags),
            "created_at": credential.created_at,
        }
        return record.without_blanks(_masked(record, fields) if self._mask else fields)


def _plain(value: Any) -> Any:
    """Return a value of an entity as data that a file can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def masked(record: Record, values: Mapping[str, Any]) -> Fields:
    """Return the values of an entity, or of a plugin's config, with ``MASK`` for secrets."""
    return _masked(record, _plain(values))


def _masked(record: Record, values: Mapping[str, Any]) -> Fields:
    """Return a record with its secrets hidden, at every depth; references to a vault are no secrets."""
    out = dict(values)
    for name, item in record.properties.items():
        if values.get(name) is not None and (item.get("x-kong-secret") or item.get("x-kong-referenceable")):
            out[name] = values[name] if is_vault_reference(values[name]) else MASK
    for path, inner, inner_values in record.inner(values):
        target: Any = out
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = _masked(inner, inner_values)
    return out
