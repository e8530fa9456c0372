"""A JSON Schema error in Kong's words, with a suggestion where one is mechanical.

Kong users search for these texts, so they are the same to the letter. Nothing is judged here: this file only
words what a validator found. A value of a secret field is never part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dbless_gateway.config.drafts import Finding, Path
from dbless_gateway.config.formats import FORMATS
from dbless_gateway.config.masking import MASK, masked_text
from dbless_gateway.config.spelling import closest

if TYPE_CHECKING:
    from jsonschema import ValidationError

_TYPES = {
    "string": "expected a string",
    "number": "expected a number",
    "integer": "expected an integer",
    "boolean": "expected a boolean",
}
REQUIRED = "required field missing"


def explain(error: ValidationError) -> list[Finding]:
    """Return the findings that one error stands for."""
    path: Path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        # The wrong key is the instance; the path ends at its mapping.
        worded = _WORDING[str(error.validator)](error, (*path, str(error.instance)))
        return [finding._replace(on_key=True) for finding in worded]
    return _WORDING[str(error.validator)](error, path)


def unknown_field(path: Path, known: list[str]) -> Finding:
    """Return the finding for a key that no schema has."""
    match = closest(str(path[-1]), known, 0.7)
    suggestion = f"did you mean `{match}`?" if match else None
    return Finding(path, "schema/unknown-field", "unknown field", suggestion, on_key=True)


def _type(error: ValidationError, path: Path) -> list[Finding]:
    schema: Any = error.schema
    value: Any = error.instance
    if value is None:
        return [Finding(path, "schema/required", REQUIRED)]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return [Finding(path, "schema/type", _expected(kinds[0], schema), _type_suggestion(kinds, value))]


def _expected(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "array":
        return "expected a set" if schema.get("x-kong-set") else "expected an array"
    if kind == "object":
        is_map = isinstance(schema.get("additionalProperties"), dict) and "properties" not in schema
        return "expected a map" if is_map else "expected a record"
    return _TYPES[kind]


def _type_suggestion(kinds: list[str], value: Any) -> str | None:
    if "string" in kinds and isinstance(value, dict) and len(value) == 1:
        key = next(iter(value))
        if key.startswith("vault:"):
            return f'quote it: "{{{key}}}" unquoted is a YAML mapping'
    if "string" in kinds and isinstance(value, (bool, int, float)):
        return "quote it: unquoted, YAML reads it as a boolean or a number"
    if "array" in kinds and not isinstance(value, (dict, list)):
        return "put it in brackets to make it a list"
    if isinstance(value, str) and {"integer", "number", "boolean"} & set(kinds):
        return "remove the quotes if it is quoted"
    return None


def _required(error: ValidationError, path: Path) -> list[Finding]:
    schema: Any = error.schema
    value: Any = error.instance
    missing = [name for name in schema["required"] if name not in value]
    return [Finding((*path, name), "schema/required", REQUIRED) for name in missing]


def _additional(error: ValidationError, path: Path) -> list[Finding]:
    schema: Any = error.schema
    value: Any = error.instance
    known = [name for name in schema.get("properties", {}) if not name.startswith("_")]
    free = [name for name in known if name not in value]
    return [unknown_field((*path, name), free) for name in value if name not in schema.get("properties", {})]


def _enum(error: ValidationError, path: Path) -> list[Finding]:
    schema: Any = error.schema
    value: Any = error.instance
    if value is None:
        return [Finding(path, "schema/required", REQUIRED)]
    choices = [text(item) for item in schema["enum"] if item is not None]
    match = closest(value.lower(), choices, 0.6) if isinstance(value, str) else None
    suggestion = f"did you mean `{match}`?" if match else None
    return [Finding(path, "schema/enum", f"expected one of: {', '.join(choices)}", suggestion)]


def _range(error: ValidationError, path: Path) -> list[Finding]:
    schema: Any = error.schema
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        message = f"value should be between {text(low)} and {text(high)}"
    else:
        message = (
            f"value must be at least {text(low)}"
            if low is not None
            else f"value must be at most {text(high)}"
        )
    return [Finding(path, "schema/range", message)]


def _exclusive_minimum(error: ValidationError, path: Path) -> list[Finding]:
    return [Finding(path, "schema/range", f"value must be greater than {text(error.validator_value)}")]


def _at_least(error: ValidationError, path: Path) -> list[Finding]:
    return [Finding(path, "schema/length", f"length must be at least {error.validator_value}")]


def _at_most(error: ValidationError, path: Path) -> list[Finding]:
    return [Finding(path, "schema/length", f"length must be at most {error.validator_value}")]


def _pattern(error: ValidationError, path: Path) -> list[Finding]:
    schema: Any = error.schema
    shown = MASK if is_secret(schema) else error.instance
    message = schema.get("x-kong-message") or f"invalid value: {shown}"
    suggestion = None if shown == MASK else _in_other_letters(str(error.instance), schema["pattern"])
    return [Finding(path, "schema/pattern", message, suggestion)]


def _in_other_letters(value: str, pattern: str) -> str | None:
    """Return the suggestion for what is right but for its case, as a method in small letters is."""
    for other in (value.upper(), value.lower()):
        if re.search(pattern, other):
            return f"did you mean `{other}`?"
    return None


def _format(error: ValidationError, path: Path) -> list[Finding]:
    schema: Any = error.schema
    value: Any = error.instance
    message = FORMATS[schema["format"]](value) or "invalid value"
    if is_secret(schema):
        message = masked_text(message, (value,))
    return [Finding(path, "schema/regex" if "valid regex" in message else "schema/format", message)]


def _not(error: ValidationError, path: Path) -> list[Finding]:
    schema: Any = error.schema
    if "enum" in schema["not"]:
        choices = ", ".join(text(item) for item in schema["not"]["enum"])
        return [Finding(path, "schema/enum", f"must not be one of: {choices}")]
    return [Finding(path, "schema/pattern", schema.get("x-kong-message") or "invalid value")]


def _const(error: ValidationError, path: Path) -> list[Finding]:
    return [Finding(path, "schema/value", f"value must be {text(error.validator_value)}")]


def text(value: object) -> str:
    """Return a value as Kong prints it in a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def is_secret(schema: Mapping[str, Any]) -> bool:
    """Tell whether values of this field must not be shown."""
    return bool(schema.get("x-kong-secret") or schema.get("x-kong-referenceable"))


_WORDING: Mapping[str, Callable[[ValidationError, Path], list[Finding]]] = MappingProxyType(
    {
        "type": _type,
        "required": _required,
        "additionalProperties": _additional,
        "enum": _enum,
        "minimum": _range,
        "maximum": _range,
        "exclusiveMinimum": _exclusive_minimum,
        "minLength": _at_least,
        "minItems": _at_least,
        "minProperties": _at_least,
        "maxLength": _at_most,
        "maxItems": _at_most,
        "maxProperties": _at_most,
        "pattern": _pattern,
        "format": _format,
        "not": _not,
        "const": _const,
    }
)
