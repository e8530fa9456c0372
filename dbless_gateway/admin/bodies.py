"""Bodies of requests as fields: JSON, forms and multipart forms.

A form knows texts only, so its values are converted by the schema of what they are meant for: numbers,
booleans, lists. Names say where a value belongs: ``config.minute``, ``paths[]``, ``paths[1]``,
``config.add.headers[]``, ``map[key]``. Like Kong, an empty text is null, and one value for a list is a list
of one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from dbless_gateway.admin.failures import plain
from dbless_gateway.admin.messages import AdminRequest
from dbless_gateway.config.schemas import Schema, load_schemas

_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")
# A form's list has the elements that it names; an index of millions would be an attack.
_MAX_INDEX = 10_000
_NESTING_MAX = 20


def media_type(request: AdminRequest) -> str:
    """Return what a body says it is, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def fields_of(request: AdminRequest, collection: str | None = None) -> dict[str, Any]:
    """Return the fields in a body; form values are converted for entities of ``collection``."""
    if not request.body:
        return {}
    if media_type(request) == "application/json":
        return _json_object(request.body)
    fields = _nest(form_pairs(request))
    return _typed_entity(fields, collection) if collection is not None else fields


def form_pairs(request: AdminRequest) -> list[tuple[str, str]]:
    """Return the names and texts of a form, in order."""
    if media_type(request) == "multipart/form-data":
        return list(_multipart(request))
    text = request.body.decode("utf-8", "replace")
    return parse_qsl(text, keep_blank_values=True)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise plain(400, "Cannot parse JSON body") from None
    if not isinstance(found, dict):
        raise plain(400, "Cannot parse JSON body")
    return found


def _multipart(request: AdminRequest) -> Iterator[tuple[str, str]]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode("latin-1", "replace")
    parsed: Message[str, str] = BytesParser(policy=HTTP).parsebytes(head + request.body)
    if not parsed.is_multipart():
        raise plain(400, "Cannot parse multipart body")
    for part in parsed.walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode("utf-8", "replace")


# From names with dots and brackets to a tree.


def _nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for name, value in pairs:
        steps = [plain_step or f"[{index}]" for plain_step, index in _STEP.findall(name)]
        if not steps or len(steps) > _NESTING_MAX:
            raise plain(400, f"Cannot read the parameter name '{name[:100]}'")
        _insert(root, steps, value if value != "" else None)
    return root


def _insert(node: dict[str, Any], steps: list[str], value: str | None) -> None:
    name = steps[0].strip("[]")
    rest = steps[1:]
    if not rest:
        known = node.get(name)
        if name in node:
            # A repeated name makes a list.
            node[name] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            node[name] = value
    elif rest == ["[]"]:
        known = node.get(name)
        node[name] = [*known, value] if isinstance(known, list) else [value]
    elif len(rest) == 1 and rest[0].startswith("[") and rest[0][1:-1].isdigit():
        _insert_at(node, name, int(rest[0][1:-1]), value)
    else:
        inner = node.setdefault(name, {})
        if not isinstance(inner, dict):
            raise plain(400, f"The parameter '{name}' is both a value and a record")
        _insert(inner, rest, value)


def _insert_at(node: dict[str, Any], name: str, number: int, value: str | None) -> None:
    """Put an element of a list where its number says; numbers count from 1."""
    if not 1 <= number <= _MAX_INDEX:
        raise plain(400, f"The index of '{name}' is out of range")
    known = node.get(name)
    items = known if isinstance(known, list) else []
    items.extend([None] * (number - len(items)))
    items[number - 1] = value
    node[name] = items


# From texts to the types of a schema.


def _typed_entity(fields: dict[str, Any], collection: str) -> dict[str, Any]:
    schemas = load_schemas()
    typed = _typed_record(fields, schemas.entity(collection).schema)
    name = typed.get("name")
    plugin = schemas.plugin(name) if collection == "plugins" and isinstance(name, str) else None
    if plugin is not None and isinstance(typed.get("config"), dict):
        typed["config"] = _typed_record(typed["config"], plugin.schema)
    return typed


def typed_plugin_config(config: dict[str, Any], plugin: str) -> dict[str, Any]:
    """Return the texts of a form as the plugin's schema wants them."""
    schema = load_schemas().plugin(plugin)
    return _typed_record(config, schema.schema) if schema is not None else config


def _typed_record(values: dict[str, Any], schema: Schema) -> dict[str, Any]:
    properties = schema.get("properties", {})
    return {name: _typed(value, properties.get(name, {})) for name, value in values.items()}


def _typed(value: Any, schema: Schema) -> Any:
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if value is None:
        return None
    if "array" in kinds:
        items = value if isinstance(value, list) else [value]
        return [_typed(item, schema.get("items", {})) for item in items]
    if isinstance(value, dict):
        if "properties" in schema:
            return _typed_record(value, schema)
        inner = schema.get("additionalProperties")
        inner = inner if isinstance(inner, dict) else {}
        return {name: _typed(item, inner) for name, item in value.items()}
    return _scalar(value, kinds) if isinstance(value, str) else value


def _scalar(text: str, kinds: Iterable[str]) -> Any:
    if "boolean" in kinds and text in ("true", "false"):
        return text == "true"
    if "string" in kinds:
        return text
    if "integer" in kinds or "number" in kinds:
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if number.is_integer() and abs(number) < 1 << 53 else number
    return text
