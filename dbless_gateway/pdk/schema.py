"""From a plugin's ``Config`` dataclass to the JSON Schema that judges ``config`` in kong.yaml.

Plugins that come with the gateway have their schemas in ``schemas/plugins/``; any other plugin says all of
it in its ``Config``: types, defaults, and with ``Annotated[type, Field(...)]`` what a type cannot say. A
field without a default is required unless its type allows None. As everywhere in Kong's format, a text must
not be empty unless its field says ``min_length=0``.

    @dataclass(frozen=True, slots=True)
    class Config:
        text: Annotated[str, Field("What the header says.")]
        mode: Literal["set", "add"] = "set"
        limit: Annotated[int, Field("Requests at a time.", at_least=1)] = 10

Known types: ``str``, ``int``, ``float``, ``bool``, ``Literal`` of texts, ``tuple[X, ...]``, ``dict[str, X]``,
nested dataclasses, and each of these ``| None``.
"""

from __future__ import annotations

import dataclasses
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Schema = dict[str, Any]

_SCALARS: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class SchemaError(Exception):
    """A ``Config`` says something that no schema can be made of."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a field's type cannot say; texts are measured in characters, lists in items."""

    help: str = ""
    at_least: float | None = None
    at_most: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None  # a regular expression that must be found in the text
    secret: bool = False  # masked wherever it is shown; may be a vault reference


_PLAIN = Field()


def config_schema(config_type: Any) -> Schema:
    """Return the schema of a plugin's ``config``."""
    if not _is_record(config_type):
        raise SchemaError("Config is not a dataclass")
    return {"$schema": _DIALECT, **_record(config_type, "Config")}


def _is_record(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _record(record_type: Any, path: str) -> Schema:
    hints = get_type_hints(record_type, include_extras=True)
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for field in dataclasses.fields(record_type):
        schema = _typed(hints[field.name], f"{path}.{field.name}")
        default = _default(field)
        if default is not dataclasses.MISSING:
            schema["default"] = _as_json(default)
        elif "properties" in schema and schema["type"] == "object":
            # A record is never absent: its own fields say what is required.
            schema["default"] = {}
        elif "null" not in schema["type"]:
            required.append(field.name)
        properties[field.name] = schema
    record: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return record | {"required": required} if required else record


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _as_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [_as_json(item) for item in value]
    return {key: _as_json(item) for key, item in value.items()} if isinstance(value, dict) else value


def _typed(hint: Any, path: str) -> Schema:
    """Return the schema of one annotation; ``path`` is for the message when there is none."""
    extra = _PLAIN
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        extra = next((note for note in notes if isinstance(note, Field)), _PLAIN)
    options = [hint]
    if get_origin(hint) in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        if len(options) != 1:
            raise SchemaError(f"{path}: one type, or one type and None, not {hint}")
    schema = _bare(options[0], path)
    _add(schema, extra)
    if options[0] is not hint:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _bare(hint: Any, path: str) -> Schema:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]} | ({"minLength": 1} if hint is str else {})
    if origin is Literal and all(isinstance(choice, str) for choice in arguments):
        return {"type": "string", "enum": list(arguments)}
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return {"type": "array", "items": _typed(arguments[0], path)}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": _typed(arguments[1], path)}
    if _is_record(hint):
        return _record(hint, path)
    raise SchemaError(f"{path}: a configuration has no {hint}; see dbless_gateway.pdk.schema for the types")


def _add(schema: Schema, extra: Field) -> None:
    is_list = schema["type"] == "array"
    given = {
        "description": extra.help or None,
        "minimum": extra.at_least,
        "maximum": extra.at_most,
        "minItems" if is_list else "minLength": extra.min_length,
        "maxItems" if is_list else "maxLength": extra.max_length,
        "pattern": extra.pattern,
        "x-kong-secret": extra.secret or None,
        "x-kong-referenceable": extra.secret or None,
    }
    schema.update({key: value for key, value in given.items() if value is not None})
