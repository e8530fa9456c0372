"""What holds for every plugin: its fields are the schema's, and an empty request or an early error does not
break it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import inspect
import json
import pkgutil
from dataclasses import FrozenInstanceError
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from dbless_gateway import plugins
from dbless_gateway.snapshot.dry_run import DryRunHost
from tests.support.plugin_context import FakeContext, FakeHost, make_env, make_handler

SCHEMAS = Path(__file__).parents[3] / "schemas" / "plugins"
MODULES = [
    importlib.import_module(f"{plugins.__name__}.{found.name}")
    for found in pkgutil.iter_modules(plugins.__path__)
]
PHASES = ("rewrite", "access", "header_filter", "body_filter", "log")

# What a file must say at least, where the defaults are not a configuration.
REQUIRED: dict[str, dict[str, Any]] = {
    "acl": {"allow": ["a"]},
    "file-log": {"path": "/dev/null"},
    "http-log": {"http_endpoint": "http://127.0.0.1:1/"},
    "ip-restriction": {"deny": ["10.0.0.0/8"]},
    "opentelemetry": {"traces_endpoint": "http://127.0.0.1:1/"},
    "prometheus": {"status_code_metrics": True},
    "proxy-cache": {"strategy": "memory"},
    "rate-limiting": {"minute": 1},
    "redirect": {"location": "http://example.test/"},
    "response-ratelimiting": {"limits": {"video": {"minute": 1}}},
    "tcp-log": {"host": "127.0.0.1", "port": 1},
    "udp-log": {"host": "127.0.0.1", "port": 1},
}


@pytest.fixture(params=MODULES, ids=lambda module: module.NAME)
def plugin(request: pytest.FixtureRequest) -> Any:
    return request.param


def _schema(plugin: Any) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{plugin.NAME}.json").read_text())
    return schema


def _dataclass_in(hint: Any) -> Any:
    """Return the dataclass that a hint is about: itself, an optional one, or the element of a collection."""
    if dataclasses.is_dataclass(hint):
        return hint
    if get_origin(hint) in (Union, UnionType, tuple, dict):
        return next(filter(None, map(_dataclass_in, get_args(hint))), None)
    return None


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        name.replace("-", "_"): part
        for name, part in schema["properties"].items()
        if "x-kong-alias-of" not in part and "x-kong-alias" not in part
    }


def _compare(config: Any, schema: dict[str, Any], path: str = "config") -> None:
    hints = get_type_hints(config)
    properties = _properties(schema)
    assert set(hints) == set(properties), path
    for name, hint in hints.items():
        below = _dataclass_in(hint)
        part = properties[name]
        for inner in (part, part.get("items", {}), part.get("additionalProperties") or {}):
            if below is not None and isinstance(inner, dict) and "properties" in inner:
                _compare(below, inner, f"{path}.{name}")


def _defaults(schema: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for name, part in schema["properties"].items():
        values[name] = part.get("default")
        if "properties" in part and isinstance(values[name], dict):
            values[name] = _defaults(part) | values[name]
    return values


def _handler(plugin: Any, host: FakeHost) -> Any:
    config = _defaults(_schema(plugin)) | REQUIRED.get(plugin.NAME, {})
    return make_handler(plugin, config, make_env(host))


def test_fields_are_those_of_the_schema(plugin: Any) -> None:
    _compare(plugin.Config, _schema(plugin))


def test_anatomy(plugin: Any) -> None:
    assert plugin.__name__.rpartition(".")[2] == plugin.NAME.replace("-", "_")
    assert plugin.__doc__.startswith(f"{plugin.NAME}: ")
    assert "Differences: " in plugin.__doc__
    with pytest.raises(FrozenInstanceError):
        object.__new__(plugin.Config).anything = 1
    handler = _handler(plugin, FakeHost())
    assert any(hasattr(handler, phase) for phase in PHASES)


def test_only_access_may_wait(plugin: Any) -> None:
    handler = _handler(plugin, FakeHost())
    for phase in PHASES:
        method = getattr(handler, phase, None)
        assert not inspect.iscoroutinefunction(method), phase


async def _log(handler: Any, ctx: FakeContext) -> None:
    """As in a gateway: on a loop, on which what is logged may go on."""
    handler.log(ctx)


@pytest.mark.parametrize("with_access", [True, False])
def test_an_empty_request(plugin: Any, with_access: bool) -> None:
    """Every phase in its order; without access it is an error before routing."""
    host = FakeHost()
    handler = _handler(plugin, host)
    ctx = FakeContext()
    reply = handler.access(ctx) if with_access and hasattr(handler, "access") else None
    ctx.respond_with(reply) if reply is not None else ctx.respond(404)
    if hasattr(handler, "header_filter"):
        handler.header_filter(ctx)
    if hasattr(handler, "body_filter"):
        handler.body_filter(ctx, b"", True)
    if hasattr(handler, "log"):
        asyncio.run(_log(handler, ctx))
    for resource in host.resources.values():
        resource.close()


def test_a_handler_is_made_without_using_the_host(plugin: Any) -> None:
    """``validate`` makes handlers where there is no loop, no memory and no network."""
    config = _defaults(_schema(plugin)) | REQUIRED.get(plugin.NAME, {})
    assert make_handler(plugin, config, make_env(DryRunHost())) is not None
