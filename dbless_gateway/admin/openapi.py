"""The OpenAPI document of the Admin API, made from the table of its endpoints and the schemas of entities.

Schemas are those that judge a file, without what only files have; JSON Schema 2020-12 is OpenAPI 3.1's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from dbless_gateway import __version__
from dbless_gateway.admin.endpoints import Endpoint
from dbless_gateway.admin.paging import DEFAULT_SIZE, MAX_SIZE
from dbless_gateway.config.schemas import EntitySchema, Schemas

_PARAMETER = re.compile(r"\{(\w+)\}")
_FORMS = ("application/json", "application/x-www-form-urlencoded")
_PAGES = (
    {
        "name": "size",
        "in": "query",
        "description": "How many at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE},
    },
    {
        "name": "offset",
        "in": "query",
        "description": "Where the page begins: the offset in the page before.",
        "schema": {"type": "string"},
    },
)


def openapi(table: Iterable[Endpoint], schemas: Schemas) -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, dict[str, Any]] = {}
    taken: set[str] = set()
    for endpoint in table:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
        taken |= {endpoint.takes} if endpoint.takes is not None else set()
    return {
        "openapi": "3.1.0",
        "info": {"title": "dbless-gateway Admin API", "version": __version__},
        "paths": paths,
        "components": {"schemas": {name: _schema(schemas, name) for name in sorted(taken)}},
    }


def _operation(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.description,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in _PARAMETER.findall(endpoint.path)
        ]
        + list(_PAGES if endpoint.has_pages else ()),
        # Each failure has a body with a message.
        "responses": {"2XX": {"description": "Done."}, "default": {"description": "Not done, and why."}},
    }
    if endpoint.takes is not None:
        schema: dict[str, Any] = {"$ref": f"#/components/schemas/{endpoint.takes}"}
        if required := _required(endpoint, schemas.entity(endpoint.takes)):
            schema = {"allOf": [schema, {"required": required}]}
        operation["requestBody"] = {"content": {kind: {"schema": schema} for kind in _FORMS}}
    return operation


def _required(endpoint: Endpoint, schema: EntitySchema) -> list[str]:
    if endpoint.method == "PATCH":
        return []
    given = {schema.endpoint_key} if endpoint.method == "PUT" else set()  # by the path
    return [name for name in schema.schema.get("required", ()) if name not in given]


def _schema(schemas: Schemas, collection: str) -> dict[str, Any]:
    """Return an entity's schema without what JSON Schema does not know."""
    schema = schemas.entity(collection).schema
    own = {name: item for name, item in schema["properties"].items() if not name.startswith("_")}
    plain: dict[str, Any] = _plain({"type": "object", "properties": own, "additionalProperties": False})
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = (name for name in value if not (name.startswith("x-kong-") or name == "format"))
        return {name: _plain(value[name]) for name in kept}
    return [_plain(item) for item in value] if isinstance(value, list) else value
