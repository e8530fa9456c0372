"""What ``plugin new`` writes: a plugin that does something, and a test that passes.

The texts are whole files, so that they can be read here as they will be read there; only the name is put in.
"""

from __future__ import annotations

_PLUGIN = '''"""Greets clients in a header of every response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.schema import Field

# As in kong.yaml.
NAME = "{name}"
# Higher runs first; key-auth has 1250, rate-limiting 910.
PRIORITY = 800


@dataclass(frozen=True, slots=True)
class Config:
    """The fields of `config` in kong.yaml; from this comes the schema that judges them."""

    greeting: Annotated[str, Field("What the header says.")]
    header_name: Annotated[str, Field("The header.", pattern="^[A-Za-z0-9-]+$")] = "X-Greeting"
    refuse: Annotated[tuple[str, ...], Field("Paths that nobody may see.")] = ()


class Handler:
    """One for each place in kong.yaml where the plugin is used.

    Its methods are phases: rewrite, access, response, header_filter, body_filter, log; those that it has run.
    """

    def __init__(self, config: Config, env: PluginEnv) -> None:
        # What no schema can say is said here; it is shown with its place in kong.yaml.
        if config.header_name.lower() == "server":
            raise ConfigError("header_name", "the gateway sets this header itself")
        self._greeting = config.greeting
        self._header_name = config.header_name
        self._refused = frozenset(config.refuse)

    def access(self, ctx: Context) -> Reply | None:
        """Run before the request is sent on: a Reply ends it here."""
        if ctx.path in self._refused:
            return Reply(403, b"not for you\\n", (("Content-Type", "text/plain"),))
        return None

    def header_filter(self, ctx: Context) -> None:
        """Run when the head of the response is known."""
        who = ctx.consumer.username if ctx.consumer is not None else None
        ctx.response.headers.set(self._header_name, f"{{self._greeting}}, {{who or 'stranger'}}")
'''

_TEST = '''"""Tests of the plugin {name}; run them with pytest."""

from __future__ import annotations

import pytest
from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.pdk.testing import FakeContext, make_handler

import {module} as plugin


def test_response_greets() -> None:
    handler = make_handler(plugin, {{"greeting": "hello"}})
    ctx = FakeContext("GET", "/")

    assert handler.access(ctx) is None

    response = ctx.respond(200)
    handler.header_filter(ctx)

    assert response.headers.get("X-Greeting") == "hello, stranger"


def test_refused_path_is_answered() -> None:
    handler = make_handler(plugin, {{"greeting": "hello", "refuse": ["/private"]}})

    reply = handler.access(FakeContext("GET", "/private"))

    assert reply.status == 403


def test_greeting_is_required() -> None:
    with pytest.raises(ValueError, match="greeting: required field missing"):
        make_handler(plugin, {{}})


def test_header_of_the_gateway_is_refused() -> None:
    with pytest.raises(ConfigError, match="sets this header itself"):
        make_handler(plugin, {{"greeting": "hello", "header_name": "Server"}})
'''


def plugin_files(name: str) -> dict[str, str]:
    """Return the files of a new plugin, by file name."""
    module = name.replace("-", "_")
    return {
        f"{module}.py": _PLUGIN.format(name=name),
        f"test_{module}.py": _TEST.format(name=name, module=module),
    }
