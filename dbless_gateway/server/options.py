"""From the table's values to what the processes are given: ``ServerSettings`` with ``ProxyOptions`` inside.

Rules that need more than one setting live here: the source of the configuration, a body limit that can be
written twice, listeners that need TLS. Pure: nothing is bound, opened or started.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.server import setting_types as types
from dbless_gateway.server.cpus import auto_workers
from dbless_gateway.server.last_good import default_folder
from dbless_gateway.server.listen import Listen
from dbless_gateway.server.setting_values import Values, read_settings
from dbless_gateway.server.settings import BY_NAME
from dbless_gateway.server.tls_options import PREFIXES, default_pairs, target_policy, tls_policies
from dbless_gateway.snapshot.certificates import TlsPolicy
from dbless_gateway.snapshot.foreign_plugins import PluginSettings
from dbless_gateway.snapshot.key_pairs import KeyPair

# What people are not shown; Kong masks the same.
_SECRET = frozenset(
    {"ssl_cert_key", "client_ssl_cert_key", "admin_ssl_cert_key", "status_ssl_cert_key"}
    | {"declarative_config_string", "admin_token"}
)
_MASK = "******"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the processes run; read once at start."""

    expand_env: bool  # ${X} in the configuration stands for a variable
    files: tuple[str, ...]  # configuration files and folders, in order; "-" is standard input
    inline: str | None  # the configuration itself, when there are no files
    last_good_folder: Path | None  # where to keep what is served; None: do not
    proxy_listens: tuple[Listen, ...]
    admin_listens: tuple[Listen, ...]
    status_listens: tuple[Listen, ...]
    workers: int
    log_level: str
    watch: bool
    drain_timeout_s: float
    drain_delay_s: float
    cache_size_bytes: int
    node_id: str
    dns: Mapping[str, Any]  # the dns_* settings, by name
    plugins: PluginSettings
    # What listeners with TLS show by default, by kind of listener; a kind without is given one made at start.
    default_pairs: Mapping[str, tuple[KeyPair, ...]]
    tls: Mapping[str, TlsPolicy]  # by kind of listener
    proxy: ProxyOptions
    shown: Mapping[str, object] = field(default_factory=dict)  # every setting, for people; secrets masked
    admin_write: bool = False  # the Admin API may change the files
    admin_token: str = ""  # what requests to the Admin API must carry; empty: nothing


@dataclass(frozen=True, slots=True)
class SettingsResult:
    """The settings, or the errors because of which there are none; warnings in both cases."""

    settings: ServerSettings | None
    warnings: tuple[str, ...]
    errors: tuple[str, ...]


def make_settings(
    flags: Mapping[str, str], files: Sequence[str], environ: Mapping[str, str]
) -> SettingsResult:
    """Read flags and environment into the settings of a gateway."""
    values = read_settings(flags, environ)
    if values.errors:
        return SettingsResult(None, values.warnings, values.errors)
    errors: list[str] = []
    settings = _assemble(values, files, environ, errors)
    warnings = (*values.warnings, *_open_admin_addresses(settings))
    return SettingsResult(None if errors else settings, warnings, tuple(errors))


def _assemble(
    values: Values,
    files: Sequence[str],
    environ: Mapping[str, str],
    errors: list[str],
) -> ServerSettings:
    inline = values["declarative_config_string"] or None
    chosen = tuple(files) or tuple(filter(None, [values["declarative_config"]]))
    if not chosen and inline is None:
        errors.append("no configuration is given: name the file with -c, or with KONG_DECLARATIVE_CONFIG")
    _refuse_flags_of_proxy(values, errors)
    policies = tls_policies(values, errors)
    return ServerSettings(
        expand_env=values["expand_env"],
        files=chosen,
        inline=None if chosen else inline,
        last_good_folder=_last_good_folder(values, environ),
        proxy_listens=values["proxy_listen"],
        admin_listens=values["admin_listen"],
        status_listens=values["status_listen"],
        workers=values["nginx_worker_processes"] or auto_workers(),
        log_level=values["log_level"],
        watch=values["watch"] and bool(chosen),
        drain_timeout_s=values["drain_timeout"],
        drain_delay_s=values["drain_delay"],
        cache_size_bytes=values["mem_cache_size"],
        node_id=_node_id(values["node_id"], errors),
        plugins=PluginSettings(values["plugin_dir"], values["plugins"]),
        dns={name: values[name] for name in BY_NAME if name.startswith("dns_")},
        default_pairs={
            kind: pairs
            for kind in PREFIXES
            if _has_tls(values, kind) and (pairs := default_pairs(kind, values, errors))
        },
        tls=policies,
        proxy=_proxy_options(values, policies["proxy"] if _has_tls(values, "proxy") else None, errors),
        shown={
            name: _MASK if value and (name in _SECRET or name in values.referenced) else _shown(value)
            for name, value in values.values.items()
        },
        admin_write=values["admin_write"],
        admin_token=values["admin_token"],
    )


def _shown(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): _shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [_shown(item) for item in value]
    return str(value)


def _last_good_folder(values: Values, environ: Mapping[str, str]) -> Path | None:
    if values["on_invalid"] == "fail":
        return None
    return Path(values["state_folder"]) if values["state_folder"] else default_folder(environ)


def _refuse_flags_of_proxy(values: Values, errors: list[str]) -> None:
    for name in ("admin_listen", "status_listen"):
        for listen in values[name]:
            if listen.path is not None or listen.proxy_protocol:
                errors.append(f"{name}: unix sockets and proxy_protocol are for proxy_listen only")


def _has_tls(values: Values, kind: str) -> bool:
    return any(listen.ssl for listen in values[f"{kind}_listen"])


def _open_admin_addresses(settings: ServerSettings) -> list[str]:
    return [
        f"the Admin API on {listen} can be reached from other machines, and nothing protects it"
        for listen in settings.admin_listens
        if not settings.admin_token
        if not (listen.ssl and settings.tls["admin"].verify_client == "on")
        if listen.path is None
        and not (listen.host == "localhost" or listen.host.startswith("127.") or listen.host == "::1")
    ]


def _node_id(given: str, errors: list[str]) -> str:
    if not given:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(given))
    except ValueError:
        errors.append("node_id must be a valid UUID")
        return ""


def _proxy_options(values: Values, tls: TlsPolicy | None, errors: list[str]) -> ProxyOptions:
    headers: frozenset[str] = values["headers"]
    networks, trust_unix = values["trusted_ips"]
    buffer_count, buffer_bytes = values["nginx_http_large_client_header_buffers"]
    charset: str = values["nginx_http_charset"]
    access_log: str = values["proxy_access_log"]
    return ProxyOptions(
        server_tokens=bool(headers & {"server_tokens", "server", "via"}),
        latency_tokens=bool(
            headers
            & {"latency_tokens", "x-kong-proxy-latency", "x-kong-response-latency", "x-kong-upstream-latency"}
        ),
        request_id_downstream="x-kong-request-id" in headers,
        request_id_upstream=bool(values["headers_upstream"]),
        upstream_status="x-kong-upstream-status" in headers,
        trusted_ips=networks,
        trust_unix=trust_unix,
        real_ip_header=values["real_ip_header"],
        real_ip_recursive=values["real_ip_recursive"],
        port_maps=values["port_maps"],
        router_flavor=values["router_flavor"],
        error_default_type=values["error_default_type"],
        allow_debug_header=values["allow_debug_header"],
        charset=None if charset in ("", "off") else charset,
        client_max_body_size=_max_body_size(values, errors),
        client_body_buffer_size=values["nginx_http_client_body_buffer_size"],
        max_header_bytes=buffer_count * buffer_bytes,
        max_request_line_bytes=buffer_bytes,
        client_header_timeout=values["nginx_http_client_header_timeout"],
        client_body_timeout=values["nginx_http_client_body_timeout"],
        send_timeout=values["nginx_http_send_timeout"],
        keepalive_timeout=values["nginx_http_keepalive_timeout"],
        keepalive_requests=values["nginx_http_keepalive_requests"],
        max_connections=values["nginx_events_worker_connections"],
        max_active_requests=values["max_active_requests"],
        upstream_keepalive_pool_size=values["upstream_keepalive_pool_size"],
        upstream_keepalive_max_requests=values["upstream_keepalive_max_requests"],
        upstream_keepalive_idle_timeout=values["upstream_keepalive_idle_timeout"],
        trusted_certificates=values["lua_ssl_trusted_certificate"],
        target_tls=target_policy(values, errors),
        tls=tls,
        plugin_fail_open=frozenset(values["plugin_fail_open"]),
        # Kong's value may name a log format behind the path; there is one format here.
        access_log=None if access_log in ("", "off") else access_log.split()[0],
    )


def _max_body_size(values: Values, errors: list[str]) -> int:
    name = "nginx_proxy_client_max_body_size"
    override: str = values[name]
    if not override:
        size: int = values["nginx_http_client_max_body_size"]
        return size
    try:
        return types.size_bytes(name, override)
    except types.SettingError as error:
        errors.append(str(error))
        return 0
