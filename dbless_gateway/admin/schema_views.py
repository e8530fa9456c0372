"""``/schemas`` and its validators."""

from __future__ import annotations

import asyncio
from typing import Any

from dbless_gateway.admin.bodies import fields_of
from dbless_gateway.admin.collections import COLLECTIONS, TARGETS
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.failures import plain, schema_violation
from dbless_gateway.admin.judging import check
from dbless_gateway.admin.kong_schema import entity_fields, plugin_fields
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest, json_answer, message_answer
from dbless_gateway.config.schemas import load_schemas

_KNOWN = frozenset(row.name for row in (*COLLECTIONS, TARGETS))
_VALID = "schema validation successful"


async def entity_schema(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the fields of a kind of entity."""
    return json_answer(200, entity_fields(load_schemas(), _known(request.keys[0])))


async def plugin_schema(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the fields of a plugin."""
    return json_answer(200, _plugin(request.keys[0]))


async def plugin_config_schema(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the fields of a plugin's configuration (deprecated)."""
    for field in _plugin(request.keys[0])["fields"]:
        if "config" in field:
            return json_answer(200, {"fields": field["config"]["fields"]})
    raise plain(404, f"No plugin named '{request.keys[0]}'")


async def vault_schema(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Return the fields of a vault; there is one kind."""
    if request.keys[0] != "env":
        raise plain(404, f"No vault named '{request.keys[0]}'")
    config = {"type": "record", "required": True, "fields": [{"prefix": {"type": "string"}}]}
    return json_answer(200, {"entity_checks": [], "fields": [{"config": config}]})


async def validate_entity(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Judge one entity without keeping it."""
    return await _validate(request, commands, _known(request.keys[0]))


async def validate_plugin(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Judge one plugin without keeping it."""
    return await _validate(request, commands, "plugins")


async def validate_vault(request: AdminRequest, commands: Commands) -> AdminAnswer:
    """Judge one vault without keeping it."""
    return await _validate(request, commands, "vaults")


async def _validate(request: AdminRequest, commands: Commands, collection: str) -> AdminAnswer:
    fields = fields_of(request, collection)
    if collection == "plugins" and not fields.get("name"):
        raise schema_violation([("name", "required field missing")])
    flavor = str(commands.settings().get("router_flavor", "traditional_compatible"))
    await asyncio.to_thread(check, collection, fields, flavor)
    return message_answer(200, _VALID)


def _known(name: str) -> str:
    if name not in _KNOWN:
        raise plain(404, f"No entity named '{name}'")
    return name


def _plugin(name: str) -> dict[str, Any]:
    found = plugin_fields(load_schemas(), name)
    if found is None:
        raise plain(404, f"No plugin named '{name}'")
    return found
