"""From a plugin's name to its module, and from its entity to a handler or a problem."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.config.entities import Where
from dbless_gateway.config.problems import Problem
from dbless_gateway.pdk.identity import Identities
from dbless_gateway.snapshot.chains import Instance
from dbless_gateway.snapshot.dry_run import DryRunHost
from dbless_gateway.snapshot.plugin_loader import find_module, is_bundled, make_instance
from tests.support.exchange_script import make_plugin


@pytest.mark.parametrize("name", ["key-auth", "rate-limiting", "cors"])
def test_bundled_plugins_are_found(name: str) -> None:
    module = find_module(name)
    assert module is not None
    assert name == module.NAME


@pytest.mark.parametrize(
    "name", ["", "nope", "key_auth", "key.auth", "../key-auth", "__init__", "-", "Key-Auth"]
)
def test_other_names_are_not(name: str) -> None:
    """No spelling reaches a module that is not a plugin of that very name."""
    assert find_module(name) is None


@pytest.mark.parametrize(("name", "bundled"), [("key-auth", True), ("nope", False)])
def test_what_is_bundled(name: str, bundled: bool) -> None:
    assert is_bundled(name) is bundled


def make(name: str, config: dict[str, Any]) -> Instance | Problem:
    plugin = make_plugin(name, config=config, where=Where("kong.yaml", 3, 5))
    return make_instance(plugin, Identities((), ()), DryRunHost())


def test_handler_is_made_of_the_config() -> None:
    config = {"header_name": "X-Id", "generator": "uuid", "echo_downstream": True}
    found = make("correlation-id", config)
    assert isinstance(found, Instance)
    assert found.priority == 100001
    assert hasattr(found.handler, "access")


def test_what_the_plugin_refuses_is_a_problem_at_its_place() -> None:
    """A schema cannot tell a good regular expression from a bad one."""
    found = make("bot-detection", {"allow": ["("], "deny": []})
    assert isinstance(found, Problem)
    assert (found.code, found.line, found.column, found.entity) == (
        "plugin/config",
        3,
        5,
        'plugin "bot-detection"',
    )
    assert found.message.startswith("config.allow")


def test_unknown_plugin_is_a_problem_that_says_what_to_do() -> None:
    found = make("nope", {})
    assert isinstance(found, Problem)
    assert found.code == "plugin/not-run"
    assert found.suggestion is not None
