"""The schemas folder: where it is, and what each schema says beside "valid or not".

``schemas/`` is the only home of types, ranges, defaults and descriptions. This file reads it and keeps, for
every record, what the later stages need without walking JSON Schema themselves: defaults, nested records,
sets, deprecated names, checks. Validation itself is in ``validate``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

Schema = dict[str, Any]

_MAX_NAME = 100


def schemas_folder() -> Path:
    """Return the folder of the schemas: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "schemas", package.parent / "schemas"):
        if (folder / "kong.json").is_file():
            return folder
    raise FileNotFoundError(f"no schemas folder in {package} or beside it")


class Record:
    """What one record schema says; made once per schema and never changed."""

    def __init__(self, schema: Schema) -> None:
        properties: dict[str, Schema] = schema.get("properties", {})
        self.properties = properties
        self.checks: list[dict[str, Any]] = schema.get("x-kong-checks", [])
        self.children = {
            name: (item["x-kong-child"], item.get("x-kong-child-key"))
            for name, item in properties.items()
            if "x-kong-child" in item
        }
        self.references = {
            name: item["x-kong-reference"] for name, item in properties.items() if "x-kong-reference" in item
        }
        self.deprecated = {name: item for name, item in properties.items() if "x-kong-alias-of" in item}
        self.generated = [name for name, item in properties.items() if "x-kong-generated" in item]
        # Still real fields, which stay silent at the value that everyone had.
        self.old_fields = {
            name: item.get("x-kong-old-default")
            for name, item in properties.items()
            if item.get("deprecated") and "x-kong-alias-of" not in item
        }
        # Not Kong's, so in a plugin's config, which other tools read, they only are where the file has them.
        self._foreign = [name for name, item in properties.items() if "x-kong-foreign" in item]
        self._blank: dict[str, Any] = {}
        self._fresh: list[tuple[str, Any]] = []
        self._records: list[tuple[str, Record]] = []
        self._lists: list[tuple[str, Record | None, bool]] = []
        self._maps: list[tuple[str, Record | None]] = []
        for name, item in properties.items():
            if (
                name not in self.children
                and name not in self.deprecated
                and name not in {"_comment", "_ignore"}
            ):
                self._learn(name, item)

    def _learn(self, name: str, item: Schema) -> None:
        default = item.get("default")
        if isinstance(default, (dict, list)):
            self._fresh.append((name, default))
        self._blank[name] = default
        kind = item.get("type")
        if kind in ("array", ["array", "null"]):
            inner = item.get("items", {})
            record = Record(inner) if inner.get("type") == "object" else None
            self._lists.append((name, record, "x-kong-set" in item))
        elif "properties" in item and "x-kong-reference" not in item:
            self._records.append((name, Record(item)))
        elif isinstance(item.get("additionalProperties"), dict):
            inner = item["additionalProperties"]
            self._maps.append((name, Record(inner) if "properties" in inner else None))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The fields that a filled record has, whatever was given."""
        return tuple(self._blank)

    @cached_property
    def records(self) -> Mapping[str, Record]:
        """The records directly inside this one."""
        return dict(self._records)

    def inner(
        self, values: Mapping[str, Any]
    ) -> list[tuple[tuple[str | int, ...], Record, Mapping[str, Any]]]:
        """Return every record given inside ``values``, with its path."""
        found: list[tuple[tuple[str | int, ...], Record, Mapping[str, Any]]] = []
        for name, record in self._records:
            if isinstance(values.get(name), dict):
                found.append(((name,), record, values[name]))
        for name, list_record, _ in self._lists:
            if list_record is not None and isinstance(values.get(name), list):
                found += [
                    ((name, i), list_record, v) for i, v in enumerate(values[name]) if isinstance(v, dict)
                ]
        for name, map_record in self._maps:
            if map_record is not None and isinstance(values.get(name), dict):
                items = values[name].items()
                found += [((name, key), map_record, v) for key, v in items if isinstance(v, dict)]
        return found

    def fill(self, given: Mapping[str, Any], *, keep_null: bool) -> dict[str, Any]:
        """Return the record with every field: given, default or None; sets without duplicates.

        With ``keep_null`` a null in the file stays (in plugin configs: "no value, not even the default").
        """
        out = (
            {**self._blank, **given}
            if keep_null
            else self._blank | {k: v for k, v in given.items() if v is not None}
        )
        for name, default in self._fresh:
            if name not in given or (given[name] is None and not keep_null):
                out[name] = _copied(default)
        for name, record in self._records:
            if out[name] is not None:
                out[name] = record.fill(out[name] or {}, keep_null=keep_null)
        for name, list_record, is_set in self._lists:
            value = out[name]
            if value is None:
                continue
            items = list(value)
            if list_record is not None:
                items = [list_record.fill(item or {}, keep_null=keep_null) for item in items]
            out[name] = _without_duplicates(items) if is_set else items
        for name, map_record in self._maps:
            if out[name] is not None:
                entries = _as_map(out[name])
                if map_record is not None:
                    entries = {k: map_record.fill(v or {}, keep_null=keep_null) for k, v in entries.items()}
                out[name] = entries
        if keep_null:
            for name in self._foreign:
                if name not in given:
                    del out[name]
        return out

    def without_blanks(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a filled record without the fields that ``fill`` would put back as null."""
        kept = {
            name: value
            for name, value in values.items()
            if value is not None or self._blank.get(name) is not None
        }
        for name, record in self._records:
            if isinstance(kept.get(name), dict):
                kept[name] = record.without_blanks(kept[name])
        for name, list_record, _ in self._lists:
            if list_record is not None and kept.get(name):
                kept[name] = [list_record.without_blanks(item) for item in kept[name]]
        for name, map_record in self._maps:
            if map_record is not None and kept.get(name):
                kept[name] = {key: map_record.without_blanks(item) for key, item in kept[name].items()}
        return kept


def _copied(value: Any) -> Any:
    """Return a copy of JSON; what ``copy`` does for any object takes ten times as long."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _as_map(value: Any) -> Mapping[str, Any]:
    """Read an empty list as an empty map: the two are interchangeable in Kong's format."""
    return value if isinstance(value, dict) else {}


def _without_duplicates(items: list[Any]) -> list[Any]:
    if len(items) < 2:
        return items
    kept: list[Any] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return kept


class EntitySchema:
    """One entity's schema: its record, and how the entity is named, identified and kept unique."""

    def __init__(self, schema: Schema) -> None:
        self.record = Record(schema)
        self.kind: str = schema["title"]
        self.collection: str = schema["x-kong-collection"]
        self.endpoint_key: str | None = schema.get("x-kong-endpoint-key")
        self.unique: list[str] = schema.get("x-kong-unique", [])
        self.id_fields: list[str] = schema.get("x-kong-id", [])
        self.credential_of: str | None = schema.get("x-kong-credential-of")
        own = {k: v for k, v in schema["properties"].items() if "x-kong-child" not in v}
        self.schema: Schema = schema | {"properties": own}


class PluginSchema:
    """One plugin's schema: the record of its ``config``, and where the plugin may be used."""

    def __init__(self, schema: Schema) -> None:
        self.record = Record(schema)
        self.schema = schema
        self.protocols: list[str] = schema["x-kong-protocols"]
        self.default_protocols: list[str] = schema["x-kong-protocols-default"]
        self.scopes: list[str] = schema["x-kong-scopes"]
        self.old_names: dict[str, str | None] = schema.get("x-kong-2x-names", {})


class OtherPlugins(Protocol):
    """Whoever knows the plugins that do not come with this package."""

    def names(self) -> Iterable[str]:
        """Return the names of all of them."""

    def schema(self, name: str) -> Schema | None:
        """Return the schema of a plugin; None when it is unknown, or cannot be loaded."""

    def fault(self, name: str) -> str | None:
        """Return why a plugin cannot be loaded; None when it can, or is unknown."""


class KnownSchemas:
    """Plugins that another process has judged, by their schemas; satisfies ``OtherPlugins``."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas

    def names(self) -> Iterable[str]:
        """Return the names of all of them."""
        return self._schemas

    def schema(self, name: str) -> Schema | None:
        """Return the schema of a plugin."""
        return self._schemas.get(name)

    def fault(self, name: str) -> str | None:
        """Return None: what is known here could be loaded."""
        return None


# Stands for every plugin that comes with this package.
BUNDLED = "bundled"


class Schemas:
    """All schemas, read from the folder when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root: Schema = self._read("kong.json")
        references = {
            name: item["items"]["$ref"]
            for name, item in self.root["properties"].items()
            if "x-kong-child" in item
        }
        self.collections: Mapping[str, str] = MappingProxyType(references)
        self._entities: dict[str, EntitySchema] = {}
        self._plugins: dict[str, PluginSchema | None] = {}
        self._others: OtherPlugins | None = None
        self._enabled: Collection[str] | None = None

    def extend(self, others: OtherPlugins, enabled: Collection[str] | None = None) -> None:
        """Take in plugins from elsewhere; a process does so before it loads its first configuration.

        ``enabled`` are the names that a configuration may use, ``bundled`` among them for all that come with
        this package; None is every name.
        """
        self._others = others
        self._enabled = enabled
        self._plugins.clear()

    def entity(self, collection: str) -> EntitySchema:
        """Return the schema of the entities in a collection."""
        found = self._entities.get(collection)
        if found is None:
            found = self._entities[collection] = EntitySchema(self._read(self.collections[collection]))
        return found

    def plugin(self, name: str) -> PluginSchema | None:
        """Return the schema of a plugin; None when there is none of this name."""
        if name not in self._plugins:
            self._plugins[name] = self._find(name) if self._is_enabled(name) else None
        return self._plugins[name]

    def plugin_names(self) -> list[str]:
        """Return the names of all plugins that have a schema."""
        names = {path.stem for path in (self._folder / "plugins").glob("*.json")}
        names.update(self._others.names() if self._others is not None else ())
        return sorted(filter(self._is_enabled, names))

    def plugin_fault(self, name: str) -> str | None:
        """Return why a plugin that is there cannot be used; None when there is no such reason."""
        if self._others is None or self._exists(name) or not self._is_enabled(name):
            return None
        return self._others.fault(name)

    def _find(self, name: str) -> PluginSchema | None:
        if self._exists(name):
            return PluginSchema(self._read(f"plugins/{name}.json"))
        schema = self._others.schema(name) if self._others is not None else None
        return PluginSchema(schema) if schema is not None else None

    def _is_enabled(self, name: str) -> bool:
        enabled = self._enabled
        return enabled is None or name in enabled or (BUNDLED in enabled and self._exists(name))

    def _exists(self, plugin: str) -> bool:
        # Longer than any name, and shorter than what a file system takes for one.
        if len(plugin) > _MAX_NAME or not plugin.isascii():
            return False
        return plugin.replace("-", "").isalnum() and (self._folder / "plugins" / f"{plugin}.json").is_file()

    def _read(self, name: str) -> Schema:
        schema: Schema = json.loads((self._folder / name).read_text("utf-8"))
        return schema


@lru_cache(maxsize=1)
def load_schemas() -> Schemas:
    """Return the schemas of this installation, and of the plugins that the process has taken in."""
    return Schemas(schemas_folder())
