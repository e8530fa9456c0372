"""``/config``: what is served as one text, and serving another text instead."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import orjson

from dbless_gateway.admin.bodies import fields_of, media_type
from dbless_gateway.admin.catalog import Catalog
from dbless_gateway.admin.collections import COLLECTIONS, TARGETS
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.config_errors import document, flat_document
from dbless_gateway.admin.failures import plain
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, empty_answer, json_answer
from dbless_gateway.admin.reading import catalog_of, shaper

_TRUE = frozenset({"1", "true", "on", "yes"})
_YAML_TYPES = frozenset({"application/yaml", "text/yaml"})
# Entities between two turns of the loop: about five milliseconds.
_BURST = 500


async def read_config(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return everything that is served as a file: flat, with ids, nothing left out."""
    catalog = catalog_of(commands)
    lines = ["_format_version: '3.0'", "_transform: false"]
    for name, rows in (await _everything(catalog, request)).items():
        lines.append(f"{name}:")
        for row in rows.values():
            lines += _block(row)
    return json_answer(200, {"config": "\n".join(lines) + "\n"})


def _block(row: dict[str, Any]) -> list[str]:
    """Return an entity as lines of YAML; each value is JSON, which is YAML as well."""
    fields = [f"{name}: {_yaml(value)}" for name, value in row.items()]
    return [("- " if not number else "  ") + field for number, field in enumerate(fields)]


def _yaml(value: Any) -> str:
    if isinstance(value, dict) and list(value) == ["id"]:
        value = value["id"]  # a reference
    return orjson.dumps(value).decode()


async def _everything(catalog: Catalog, request: AdminRequest) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for collection in (*COLLECTIONS, TARGETS):
        shape = shaper(catalog, collection.name, request).shape
        rows: dict[str, dict[str, Any]] = {}
        for number, item in enumerate(catalog.items(collection.name)):
            rows[item.id] = shape(item)
            if collection.name == "certificates":
                rows[item.id].pop("snis")
            if number % _BURST == 0:
                await asyncio.sleep(0)
        if rows:
            found[collection.name] = rows
    return found


async def post_config(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Serve another configuration until the file changes next."""
    text, is_raw = _text_of(request)
    query = request.query
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    if is_raw and _is_true(query.get("check_hash")) and digest == commands.node_now().configuration_hash:
        return empty_answer(304)
    problems = await commands.serve_text(text, persist=_is_true(query.get("persist")))
    if problems:
        flat = _is_true(query.get("flatten_errors"))
        # Looking at the text once more may take a while.
        body = await (
            asyncio.to_thread(flat_document, problems, text)
            if flat
            else asyncio.to_thread(document, problems)
        )
        return json_answer(400, body)
    return json_answer(201, await _everything(catalog_of(commands), request))


def _text_of(request: AdminRequest) -> tuple[str, bool]:
    """Return the configuration in a body, and whether it was given as a text."""
    if media_type(request) in _YAML_TYPES:
        text: Any = request.body.decode("utf-8", "surrogateescape")
    else:
        fields = fields_of(request)
        if "_format_version" in fields:
            return request.body.decode("utf-8", "replace"), False
        text = fields.get("config")
    if not isinstance(text, str) or not text:
        raise plain(400, "expected a declarative configuration")
    return text, True


def _is_true(value: str | None) -> bool:
    return value is not None and value.lower() in _TRUE
