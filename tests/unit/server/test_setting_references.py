"""Vault references as values of settings."""

from __future__ import annotations

import pytest

from dbless_gateway.server.options import make_settings
from dbless_gateway.server.setting_values import read_settings

SECRET = "0123456789abcdef0123456789abcdef"


def _environ(**variables: str) -> dict[str, str]:
    return {"TOKEN": SECRET, "PG": '{"level": "debug"}', "SSL_TOKEN": "prefixed", **variables}


@pytest.mark.parametrize(
    ("variables", "name", "value"),
    [
        ({"KONG_ADMIN_TOKEN": "{vault://env/token}"}, "admin_token", SECRET),
        ({"KONG_ADMIN_TOKEN": " {vault://env/token} "}, "admin_token", SECRET),
        ({"KONG_LOG_LEVEL": "{vault://env/pg/level}"}, "log_level", "debug"),
        ({"KONG_ADMIN_TOKEN": "{vault://env/token?prefix=SSL_}"}, "admin_token", "prefixed"),
        (
            {"KONG_ADMIN_TOKEN": "{vault://env/token}", "KONG_VAULT_ENV_PREFIX": "SSL_"},
            "admin_token",
            "prefixed",
        ),
        # Not the whole value: no reference.
        ({"KONG_ADMIN_TOKEN": "x{vault://env/token}"}, "admin_token", "x{vault://env/token}"),
    ],
)
def test_a_reference_stands_for_its_value(variables: dict[str, str], name: str, value: object) -> None:
    values = read_settings({}, _environ(**variables))

    assert values.errors == ()
    assert values[name] == value


def test_items_of_a_list_may_be_references() -> None:
    servers = {"KONG_DNS_RESOLVER": "{vault://env/one}, 127.0.0.2", "ONE": "127.0.0.1"}

    assert tuple(read_settings({}, servers)["dns_resolver"]) == ("127.0.0.1", "127.0.0.2")


def test_a_flag_may_be_one() -> None:
    assert read_settings({"log_level": "{vault://env/pg/level}"}, _environ())["log_level"] == "debug"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("{vault://env/nope}", "environment variable 'NOPE' is not set"),
        ("{vault://env/empty}", "environment variable 'EMPTY' is empty"),
        ("{vault://hcv/token}", "there is no vault 'hcv'"),
        ("{vault://env}", "it is not of the form {vault://NAME/RESOURCE}"),
    ],
)
def test_one_without_a_value_is_an_error(reference: str, reason: str) -> None:
    values = read_settings({}, _environ(KONG_ADMIN_TOKEN=reference, EMPTY=""))

    assert values.errors == (f"admin_token: failed to dereference '{reference}': {reason}",)


def test_no_message_quotes_the_value() -> None:
    (error,) = read_settings({}, _environ(KONG_LOG_LEVEL="{vault://env/token}")).errors

    assert "log_level" in error
    assert SECRET not in error


def test_what_came_from_a_vault_is_masked_where_settings_are_shown() -> None:
    environ = _environ(KONG_LOG_LEVEL="{vault://env/pg/level}")
    settings = make_settings({}, ["kong.yaml"], environ).settings
    assert settings is not None

    assert settings.log_level == "debug"
    assert settings.shown["log_level"] == "******"
