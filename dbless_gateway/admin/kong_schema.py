"""Our JSON Schemas in the vocabulary of Kong's ``/schemas``: lists of single-key objects, sets, records.

Tools read defaults and types from it. What Kong expresses with functions is left out there, and here too.
"""

from __future__ import annotations

from typing import Any

from dbless_gateway.config.schemas import Schema, Schemas

_HIDDEN = frozenset({"_comment", "_ignore", "_config", "url", "ordering"})
_FORMATS = {"kong-uuid": {"uuid": True}}
_BOUNDS = {"minLength": "len_min", "maxLength": "len_max", "minItems": "len_min", "maxItems": "len_max"}


def entity_fields(schemas: Schemas, collection: str) -> dict[str, Any]:
    """Return the schema of a collection."""
    entity = schemas.entity(collection)
    required = set(entity.schema.get("required", ()))
    if collection == "services":
        required.add("host")  # The file may say ``url`` instead; the API shows the fields behind it.
    fields = [
        {name: _entity_field(name, item, required, entity.unique)}
        for name, item in entity.schema["properties"].items()
        if name not in _HIDDEN and "x-kong-alias-of" not in item and "x-kong-memberships" not in item
    ]
    return {"entity_checks": entity.record.checks, "fields": fields}


def plugin_fields(schemas: Schemas, name: str) -> dict[str, Any] | None:
    """Return the schema of a plugin; None when there is none of this name."""
    plugin = schemas.plugin(name)
    if plugin is None:
        return None
    protocols = {
        "type": "set",
        "required": True,
        "default": plugin.default_protocols,
        "elements": {"type": "string", "one_of": plugin.protocols},
    }
    scopes = [
        {scope: {"type": "foreign", "reference": collection, **({} if allowed else {"eq": None})}}
        for scope, collection in (("consumer", "consumers"), ("service", "services"), ("route", "routes"))
        for allowed in [scope in plugin.scopes]
    ]
    config = {"type": "record", "required": True, **_record(plugin.schema)}
    return {
        "entity_checks": plugin.record.checks,
        "fields": [{"protocols": protocols}, *scopes, {"config": config}],
    }


def _entity_field(name: str, item: Schema, required: set[str], unique: list[str]) -> dict[str, Any]:
    field = _field(item)
    if name == "id":
        field["auto"] = True
    if name in ("created_at", "updated_at"):
        field |= {"timestamp": True, "auto": True}
        field.pop("gt", None)
    if "x-kong-generated" in item:
        field["auto"] = True
    if name in unique:
        field["unique"] = True
    if name in required or item.get("x-kong-required"):
        field["required"] = True
    return field


def _record(schema: Schema) -> dict[str, Any]:
    own = schema.get("properties", {})
    required = set(schema.get("required", ()))
    fields = [
        {name: _field(item) | ({"required": True} if name in required else {})}
        for name, item in own.items()
        if "x-kong-alias-of" not in item
    ]
    shorthands = [{name: _field(item)} for name, item in own.items() if "x-kong-alias-of" in item]
    checks = schema.get("x-kong-checks")
    return (
        {"fields": fields}
        | ({"shorthand_fields": shorthands} if shorthands else {})
        | ({"entity_checks": checks} if checks else {})
    )


def _field(item: Schema) -> dict[str, Any]:
    """Return one field; the type decides what else is told."""
    kinds = item.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    told: dict[str, Any] = {"type": "string"}
    if "x-kong-reference" in item:
        told = {"type": "foreign", "reference": item["x-kong-reference"]}
    elif "array" in kinds:
        told = {
            "type": "set" if item.get("x-kong-set") else "array",
            "elements": _field(item.get("items", {})) | {"required": True},
        }
    elif "object" in kinds:
        told = _object(item)
    elif known := [kind for kind in ("string", "integer", "number", "boolean") if kind in kinds]:
        told = {"type": known[0]}
    if kinds and "null" not in kinds and "default" in item:
        told["required"] = True
    return told | _limits(item)


def _object(item: Schema) -> dict[str, Any]:
    if "properties" in item:
        return {"type": "record", "required": "null" not in item.get("type", ()), **_record(item)}
    values = item.get("additionalProperties")
    if not isinstance(values, dict):
        return {"type": "map", "keys": {"type": "string"}, "values": {"type": "string"}}
    keys = item.get("propertyNames", {"type": "string"})
    return {"type": "map", "keys": _field(keys), "values": _field(values) | {"required": True}}


def _limits(item: Schema) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if "default" in item and "x-kong-reference" not in item:
        told["default"] = item["default"]
    if "enum" in item:
        told["one_of"] = [value for value in item["enum"] if value is not None]
    if "minimum" in item and "maximum" in item:
        told["between"] = [item["minimum"], item["maximum"]]
    if "exclusiveMinimum" in item:
        told["gt"] = item["exclusiveMinimum"]
    for name, kongs in _BOUNDS.items():
        # One is what every text must have anyway.
        if name in item and not (name == "minLength" and item[name] == 1):
            told[kongs] = item[name]
    if item.get("x-kong-referenceable"):
        told["referenceable"] = True
    if item.get("x-kong-secret"):
        told["encrypted"] = True
    if "description" in item:
        told["description"] = item["description"]
    return told | _FORMATS.get(item.get("format", ""), {})
