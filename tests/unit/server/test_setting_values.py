"""What flags and variables make of the settings."""

from __future__ import annotations

import pytest

from dbless_gateway.server.setting_values import read_settings


def test_every_default_can_be_read() -> None:
    assert read_settings({}, {}).errors == ()


def test_flags_win_over_the_environment_and_that_over_defaults() -> None:
    environ = {"KONG_LOG_LEVEL": "debug", "KONG_DNS_ERROR_TTL": "5"}
    values = read_settings({"log_level": "error"}, environ)
    assert (values["log_level"], values["dns_error_ttl"], values["dns_stale_ttl"]) == ("error", 5.0, 3600.0)
    assert values.given == {"log_level", "dns_error_ttl"}


def test_all_errors_are_told() -> None:
    environ = {"KONG_LOG_LEVEL": "loud", "KONG_TRUSTED_IPS": "x", "KONG_DATABASE": "postgres"}
    errors = read_settings({}, environ).errors
    assert len(errors) == 3
    assert "database has an invalid value: 'postgres' (off)" in errors


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KONG_PREFIX", "/x"),
        ("KONG_PG_HOST", "db"),
        ("KONG_NGINX_DAEMON", "off"),
        ("KONG_STREAM_LISTEN", "off"),
        ("KONG_DNS_CACHE_SIZE", "10000"),
        ("KONG_DNS_NO_SYNC", "off"),
        ("KONG_PLUGINS", "bundled"),
        ("KONG_SSL_CERT", ""),
        ("KONG_DATABASE", "off"),
        ("KONGFU", "1"),
        ("OTHER", "1"),
    ],
)
def test_is_silent_about(variable: str, value: str) -> None:
    assert read_settings({}, {variable: value}).warnings == ()


@pytest.mark.parametrize(
    ("variable", "warning"),
    [
        ("KONG_PROXY_LISTN", "is not a known setting and has no effect; did you mean KONG_PROXY_LISTEN?"),
        ("KONG_SOMETHING_ELSE", "is not a known setting and has no effect"),
        ("KONG_SSL_SESSION_TIMEOUT", "is not supported and has no effect"),
        ("KONG_DNS_NO_SYNC", "is not supported and has no effect"),
        ("KONG_NEW_DNS_CLIENT", "is not supported and has no effect"),
        ("KONG_NGINX_HTTP_GZIP", "is not supported and has no effect"),
        ("KONG_VAULT_AWS_REGION", "is not supported and has no effect"),
    ],
)
def test_warns_once_about(variable: str, warning: str) -> None:
    assert read_settings({}, {variable: "x"}).warnings == (f"{variable} {warning}",)
