from __future__ import annotations

import uuid
from ipaddress import ip_network
from pathlib import Path

import pytest

from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.server.options import ServerSettings, make_settings
from dbless_gateway.snapshot.key_pairs import KeyPair
from tests.support.authority import Authority


def made(**environ: str) -> ServerSettings:
    result = make_settings({}, ["kong.yaml"], {f"KONG_{k.upper()}": v for k, v in environ.items()})
    assert result.settings is not None, result.errors
    return result.settings


def errors(**environ: str) -> tuple[str, ...]:
    return make_settings({}, ["f"], {f"KONG_{k.upper()}": v for k, v in environ.items()}).errors


def test_the_defaults_are_those_of_the_hot_path() -> None:
    assert made().proxy == ProxyOptions()


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("headers", "off", "server_tokens", False),
        ("headers", "off", "latency_tokens", False),
        ("headers", "off", "request_id_downstream", False),
        ("headers", "Via", "server_tokens", True),
        ("headers", "X-Kong-Proxy-Latency", "latency_tokens", True),
        ("headers", "x-kong-upstream-status", "upstream_status", True),
        ("headers_upstream", "off", "request_id_upstream", False),
        ("trusted_ips", "10.0.0.0/8", "trusted_ips", (ip_network("10.0.0.0/8"),)),
        ("trusted_ips", "unix:", "trust_unix", True),
        ("real_ip_header", "X-Forwarded-For", "real_ip_header", "X-Forwarded-For"),
        ("port_maps", "80:8000", "port_maps", {8000: 80}),
        ("nginx_http_charset", "off", "charset", None),
        ("nginx_http_client_max_body_size", "1m", "client_max_body_size", 1024**2),
        ("nginx_proxy_client_max_body_size", "2k", "client_max_body_size", 2048),
        ("nginx_http_large_client_header_buffers", "2 16k", "max_header_bytes", 32768),
        ("nginx_http_large_client_header_buffers", "2 16k", "max_request_line_bytes", 16384),
        ("nginx_http_keepalive_timeout", "5s", "keepalive_timeout", 5.0),
        ("upstream_keepalive_pool_size", "0", "upstream_keepalive_pool_size", 0),
        ("proxy_access_log", "/dev/stdout main", "access_log", "/dev/stdout"),
        ("proxy_access_log", "off", "access_log", None),
    ],
)
def test_a_setting_reaches_the_hot_path(name: str, value: str, field: str, expected: object) -> None:
    assert getattr(made(**{name: value}).proxy, field) == expected


@pytest.mark.parametrize(
    ("given", "variables", "expected"),
    [
        (["a", "b"], ("DECLARATIVE_CONFIG", "DECLARATIVE_CONFIG_STRING"), (("a", "b"), None, True)),
        ([], ("DECLARATIVE_CONFIG", "DECLARATIVE_CONFIG_STRING"), (("x",), None, True)),
        ([], ("DECLARATIVE_CONFIG_STRING",), ((), "x", False)),
    ],
)
def test_files_come_before_variables_and_text(
    given: list[str], variables: tuple[str, ...], expected: tuple[object, ...]
) -> None:
    settings = make_settings({}, given, {f"KONG_{name}": "x" for name in variables}).settings
    assert settings is not None
    assert (settings.files, settings.inline, settings.watch) == expected


def test_no_configuration_at_all_is_an_error() -> None:
    result = make_settings({}, [], {})
    assert result.settings is None
    assert "no configuration is given" in result.errors[0]


def test_listeners_with_ssl_are_served() -> None:
    default = make_settings({}, ["f"], {})
    assert default.settings is not None
    assert [listen.ssl for listen in default.settings.proxy_listens] == [False, True]
    assert default.warnings == ()


@pytest.mark.parametrize("name", ["admin_listen", "status_listen"])
@pytest.mark.parametrize("value", ["unix:/run/g.sock", "127.0.0.1:80 proxy_protocol"])
def test_some_listeners_are_for_clients_only(name: str, value: str) -> None:
    assert errors(**{name: value}) == (f"{name}: unix sockets and proxy_protocol are for proxy_listen only",)


def test_private_keys_are_not_shown(tmp_path: Path) -> None:
    cert, key = Authority().issue("a.test")
    (tmp_path / "cert.pem").write_text(cert)
    settings = made(ssl_cert=str(tmp_path / "cert.pem"), ssl_cert_key=key)
    assert "PRIVATE" not in str(settings.shown)
    assert settings.default_pairs == {"proxy": (KeyPair(cert.strip(), key.strip()),)}


def test_without_listeners_for_tls_no_certificate_is_compiled() -> None:
    assert made(proxy_listen="127.0.0.1:80").proxy.tls is None


@pytest.mark.parametrize(
    ("host", "warns"),
    [("127.0.0.1", False), ("127.9.9.9", False), ("localhost", False), ("[::1]", False), ("0.0.0.0", True)],
)
def test_an_admin_api_for_everybody_gets_a_warning(host: str, warns: bool) -> None:
    result = make_settings({"admin_listen": f"{host}:8001"}, ["f"], {})
    assert bool(result.warnings) is warns


@pytest.mark.parametrize(
    ("listen", "verify", "warns"),
    [("0.0.0.0:8444 ssl", "on", False), ("0.0.0.0:8444 ssl", "optional", True), ("0.0.0.0:8001", "on", True)],
)
def test_certificates_of_clients_protect_an_admin_api(listen: str, verify: str, warns: bool) -> None:
    authorities = {"KONG_NGINX_ADMIN_SSL_CLIENT_CERTIFICATE": Authority().cert}
    environ = {"KONG_ADMIN_LISTEN": listen, "KONG_NGINX_ADMIN_SSL_VERIFY_CLIENT": verify, **authorities}
    assert bool(make_settings({}, ["f"], environ).warnings) is warns


def test_workers_are_a_number_or_what_the_machine_gives() -> None:
    assert made(nginx_worker_processes="3").workers == 3
    assert made().workers >= 1


def test_the_node_has_an_id() -> None:
    chosen = str(uuid.uuid4())
    assert made(node_id=chosen).node_id == chosen
    assert uuid.UUID(made().node_id)
    assert errors(node_id="me") == ("node_id must be a valid UUID",)


def test_a_body_limit_that_is_none_is_an_error() -> None:
    assert errors(nginx_proxy_client_max_body_size="big") == (
        "nginx_proxy_client_max_body_size is not a size: 'big' (such as 8k or 10m)",
    )
