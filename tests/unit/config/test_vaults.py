"""References to secrets: what they resolve to, where they are allowed, and that values stay unseen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbless_gateway.config.export import export
from dbless_gateway.config.load import Loaded, LoadOptions, load
from dbless_gateway.config.source import Source
from dbless_gateway.config.vaults import EnvironmentVaults, Unresolved

ENVIRON = {
    "MY_SECRET": "plain",
    "MY_SECRET_PREVIOUS": "older",
    "SEC_X": "from-the-vault",
    "P_X": "overridden",
    "PG": '{"password": "in json", "port": 5}',
    "A/B": "with a slash",
    "EMPTY": "",
    "DEEP": "[" * 100_000,
}
VAULTS = EnvironmentVaults({"mine": "SEC_", "dashed": "my-"}, ENVIRON)


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("{vault://env/my-secret}", "plain"),
        ("{vault://env/MY_SECRET#1}", "plain"),
        ("{vault://env/my-secret#2}", "older"),
        ("{vault://env/pg/password}", "in json"),
        ("{vault://mine/x}", "from-the-vault"),
        ("{vault://mine/x?prefix=P_}", "overridden"),
        ("{vault://env/x?prefix=SEC_&ttl=5}", "from-the-vault"),
        ("{vault://dashed/secret}", "plain"),
        ("{vault://env/a%2Fb/}", "with a slash"),
        ("{vault://env/a/b/}", "with a slash"),
    ],
)
def test_values(reference: str, value: str) -> None:
    assert VAULTS.resolve(reference) == value


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("{vault://env/nope}", "'NOPE' is not set"),
        ("{vault://env/empty}", "'EMPTY' is empty"),
        ("{vault://mine/nope#2}", "'SEC_NOPE_PREVIOUS' is not set"),
        ("{vault://other/x}", "no vault 'other'"),
        ("{vault://env}", "not of the form"),
        ("{vault:///x}", "not of the form"),
        ("{vault://env/my-secret#3}", "no version '3'"),
        ("{vault://env/my-secret/key}", "not JSON"),
        ("{vault://env/deep/key}", "not JSON"),
        ("{vault://env/pg/port}", "no text called 'port'"),
        ("{vault://env/pg/user}", "no text called 'user'"),
    ],
)
def test_reasons(reference: str, reason: str) -> None:
    with pytest.raises(Unresolved, match=reason):
        VAULTS.resolve(reference)


def test_kongs_own_prefix_is_that_of_env_itself() -> None:
    vaults = EnvironmentVaults({"mine": ""}, {"KONG_VAULT_ENV_PREFIX": "sec-", "SEC_X": "x", "X": "bare"})
    assert vaults.resolve("{vault://env/x}") == "x"
    assert vaults.resolve("{vault://mine/x}") == "bare"


TEXT = """
_format_version: "3.0"
vaults: [{prefix: mine, name: env, config: {prefix: SEC_}}]
plugins:
- {name: http-log, config: {http_endpoint: '{vault://mine/x}', headers: {A: '{vault://env/nope}'}}}
- {name: request-termination, config: {message: '{vault://mine/x}'}}
keys: [{kid: k, pem: {public_key: '{vault://mine/x}'}}]
"""


def _load(text: str = TEXT, *, mock: bool = False) -> Loaded:
    return load([Source("kong.yaml", text)], LoadOptions(environ=ENVIRON, mock_env=mock))


def test_only_fields_that_allow_it_hold_references() -> None:
    loaded = _load()
    assert loaded.entities is not None
    assert sorted((secret.path, secret.value) for secret in loaded.entities.secrets) == [
        (("config", "headers", "A"), ""),
        (("config", "http_endpoint"), "from-the-vault"),
        (("pem", "public_key"), "from-the-vault"),
    ]
    assert loaded.entities.plugins[1].config["message"] == "{vault://mine/x}"


def test_what_has_no_value_is_warned_of_at_its_place() -> None:
    (problem,) = _load().problems
    assert (problem.severity, problem.code) == ("warning", "vault/unresolved")
    assert problem.path == "plugins[0].config.headers.A"
    assert (problem.line, TEXT.splitlines()[problem.line - 1][problem.column - 1 :][:7]) == (5, "'{vault")
    expected = "unable to resolve reference {vault://env/nope} (environment variable 'NOPE' is not set)"
    assert problem.message == f"{expected}; the value is empty"


def test_warnings_come_together_with_errors() -> None:
    loaded = _load(TEXT + "services: [{name: s}]\n")
    assert {problem.code for problem in loaded.problems} == {"vault/unresolved", "schema/required"}


def test_nobody_misses_secrets_that_are_mocked() -> None:
    loaded = _load(mock=True)
    assert loaded.entities is not None
    assert loaded.problems == []
    assert {secret.value for secret in loaded.entities.secrets} == {""}


def test_values_are_shown_by_nothing() -> None:
    loaded = _load()
    assert loaded.entities is not None
    assert "from-the-vault" not in repr(loaded.entities)
    for nested in (True, False):
        assert "from-the-vault" not in str(export(loaded.entities, nested=nested))
    assert export(loaded.entities) == export(replace(loaded.entities, secrets=()))
