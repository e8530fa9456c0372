"""The schemas as one document for editors: JSON Schema alone, without anything that only we understand.

The files in ``schemas/`` are made for this gateway: they refer to each other, and what a validator must know
beyond JSON Schema stands in ``x-kong-`` keywords. An editor needs one file with plain keywords. It may be
more lenient than the gateway, never stricter: a red line under a good file is worse than none under a bad
one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dbless_gateway.config.schemas import Schema, Schemas, load_schemas

_FORMAT_PREFIX = "kong-"
# Formats of ours that are also one of JSON Schema's, or can be said as a pattern.
_FORMATS: Mapping[str, Schema] = {
    "kong-uuid": {"format": "uuid"},
    "kong-path": {"pattern": "^/"},
    "kong-route-path": {"pattern": "^~?/"},
}
# ``_info.defaults`` may supply what a condition asks for.
_DROPPED = frozenset({"$id", "$schema", "required", "if", "then", "else"})
_SCALARS = frozenset({"integer", "number", "boolean"})
_EXPRESSION = {"$ref": "#/$defs/expression"}
_REFERENCE = {"$ref": "#/$defs/vault-reference"}


def editor_schema() -> Schema:
    """Return the whole schema of a configuration file."""
    schemas = load_schemas()
    definitions: dict[str, Schema] = {
        "expression": {
            "description": "A value from the environment.",
            "type": "string",
            "pattern": r"^\s*\$\{",
        },
        "vault-reference": {
            "description": "A secret that is looked up when it is needed.",
            "type": "string",
            "pattern": r"^\{vault://.+\}$",
        },
    }
    for collection in schemas.collections:
        entity = _entity(collection, schemas)
        definitions[entity["title"].replace(" ", "_")] = entity
    for name in schemas.plugin_names():
        plugin = schemas.plugin(name)
        if plugin is not None:
            definitions[_plugin_definition(name)] = _plain(plugin.schema, is_config=True)
    root = _plain(schemas.root, is_config=False)
    return {"$schema": schemas.root["$schema"], **root, "$defs": definitions}


def _entity(collection: str, schemas: Schemas) -> Schema:
    entity = schemas.entity(collection)
    # The full record, children included: they may be nested in a file.
    full = entity.schema | {"properties": entity.record.properties}
    plain = _plain(full, is_config=False)
    if collection == "plugins":
        _choose_config(plain, schemas)
    return plain


def _choose_config(plugin: Schema, schemas: Schemas) -> None:
    """Let the name of a plugin decide what its ``config`` looks like."""
    names = schemas.plugin_names()
    plugin["properties"]["name"] = plugin["properties"]["name"] | {"examples": names}
    plugin["allOf"] = [
        {
            "if": {"properties": {"name": {"const": name}}, "required": ["name"]},
            "then": {"properties": {"config": {"$ref": f"#/$defs/{_plugin_definition(name)}"}}},
        }
        for name in names
    ]


def _plugin_definition(name: str) -> str:
    return f"plugin-{name}"


def _plain(schema: Mapping[str, Any], *, is_config: bool) -> Schema:
    """Return a schema in plain keywords, at every depth.

    What the top level of a plugin's ``config`` lacks, an entry of ``_plugin_configs`` may supply.
    """
    out: Schema = {}
    for key, value in schema.items():
        convert = _KEYWORDS.get(key)
        if convert is not None:
            out |= convert(value)
        elif not key.startswith("x-kong-") and key not in _DROPPED:
            out[key] = value
    if "x-kong-alias-of" in schema:
        out |= _deprecated(schema["x-kong-alias-of"])
    if "required" in schema and not is_config:
        out["required"] = schema["required"]
    if not out.get("description"):
        out.pop("description", None)
    return _with_stand_ins(out, schema)


def _with_stand_ins(plain: Schema, schema: Mapping[str, Any]) -> Schema:
    """Allow what may stand in place of a value: an expression of the environment, a reference to a vault."""
    kinds = plain.get("type")
    kinds = set(kinds) if isinstance(kinds, list) else {kinds}
    stand_ins = [_EXPRESSION] if kinds & _SCALARS else []
    if schema.get("x-kong-referenceable"):
        stand_ins.append(_REFERENCE)
    if not stand_ins:
        return plain
    notes: Schema = {key: plain.pop(key) for key in ("description", "default", "deprecated") if key in plain}
    return {**notes, "anyOf": [plain, *stand_ins]}


def _deprecated(targets: list[str]) -> Schema:
    use = f"Deprecated; use `{targets[0]}`." if targets else "Deprecated; it has no effect."
    return {"deprecated": True, "description": use}


def _format(value: str) -> Schema:
    if not value.startswith(_FORMAT_PREFIX):
        return {"format": value}
    return dict(_FORMATS.get(value, {}))


def _reference(value: str) -> Schema:
    stem = value.rpartition("/")[2].removesuffix(".json")
    return {"$ref": f"#/$defs/{stem}"}


def _properties(value: Mapping[str, Any]) -> Schema:
    return {"properties": {name: _plain(item, is_config=False) for name, item in value.items()}}


def _items(value: Any) -> Schema:
    return {"items": _plain(value, is_config=False) if isinstance(value, dict) else value}


def _property_names(value: Mapping[str, Any]) -> Schema:
    return {"propertyNames": _plain(value, is_config=False)}


def _all_of(value: list[Mapping[str, Any]]) -> Schema:
    return {"allOf": [_plain(item, is_config=False) for item in value]}


def _additional(value: Any) -> Schema:
    plain = _plain(value, is_config=False) if isinstance(value, dict) else value
    return {"additionalProperties": plain}


_KEYWORDS: Mapping[str, Callable[[Any], Schema]] = {
    "format": _format,
    "$ref": _reference,
    "properties": _properties,
    "items": _items,
    "allOf": _all_of,
    "propertyNames": _property_names,
    "additionalProperties": _additional,
}
