"""Kong's settings that this gateway does not act on, so that each is met with the right amount of noise.

``WITHOUT_EFFECT`` would change nothing on a foreground proxy without a database, a Lua machine or nginx: they
are accepted in silence, so that an environment made for Kong starts without a wall of warnings.
``UNSUPPORTED`` would change what a user sees: each one that is set gets a warning. Whatever stands in neither
list nor in the table of ``settings.py`` is unknown, and probably a typing mistake.
"""

from __future__ import annotations

WITHOUT_EFFECT = frozenset(
    {
        "prefix",
        "lmdb_environment_path",
        "lmdb_map_size",
        "anonymous_reports",
        "proxy_error_log",
        "proxy_stream_access_log",
        "proxy_stream_error_log",
        "admin_access_log",
        "admin_error_log",
        "status_access_log",
        "status_error_log",
        "nginx_daemon",
        "nginx_user",
        "nginx_main_daemon",
        "nginx_main_user",
        "nginx_main_worker_processes",
        "nginx_main_worker_rlimit_nofile",
        "nginx_events_multi_accept",
        "worker_consistency",
        "worker_state_update_frequency",
        "worker_events_max_payload",
        "lua_socket_pool_size",
        "lua_package_path",
        "lua_package_cpath",
        "openresty_path",
        "lua_ssl_protocols",
        "untrusted_lua_sandbox_requires",
        "untrusted_lua_sandbox_environment",
        "pluginserver_names",
        "nginx_http_lua_regex_match_limit",
        "nginx_http_lua_regex_cache_max_entries",
        "admin_gui_listen",
        "admin_gui_access_log",
        "admin_gui_error_log",
        "admin_gui_csp_header",
        "admin_gui_url",
        "admin_gui_path",
        "admin_gui_api_url",
        "admin_gui_ssl_cert",
        "admin_gui_ssl_cert_key",
        "cluster_listen",
        "cluster_control_plane",
        "cluster_cert",
        "cluster_cert_key",
        "cluster_ca_cert",
        "cluster_mtls",
        "cluster_server_name",
        "cluster_data_plane_purge_delay",
        "cluster_ocsp",
        "cluster_max_payload",
        "cluster_use_proxy",
        "cluster_dp_labels",
        "cluster_rpc",
        "cluster_rpc_sync",
        "proxy_server",
        "proxy_server_ssl_verify",
        "dedicated_config_processing",
        "db_update_frequency",
        "db_update_propagation",
        "db_cache_ttl",
        "db_cache_neg_ttl",
        "db_resurrect_ttl",
        "db_cache_warmup_entities",
        "wasm_filters_path",
        "wasm_dynamic_module",
        "wasm_filters",
        "kic",
        "host_ports",
        "nginx_proxy_proxy_buffer_size",
        "nginx_proxy_proxy_buffers",
        "nginx_proxy_proxy_busy_buffers_size",
        "nginx_proxy_underscores_in_headers",
        "nginx_http_ssl_protocols",
    }
)

# Families of which every member is without effect: PostgreSQL, and directives for parts of nginx that are not
# here.
WITHOUT_EFFECT_PREFIXES = (
    "pg_",
    "pluginserver_",
    "nginx_stream_",
    "nginx_sproxy_",
    "nginx_supstream_",
    "nginx_wasm_",
)

UNSUPPORTED = frozenset(
    {
        "stream_listen",
        "vaults",
        "role",
        "request_debug",
        "request_debug_token",
        "tracing_instrumentations",
        "tracing_sampling_rate",
        "opentelemetry_tracing",
        "opentelemetry_tracing_sampling_rate",
        "lua_max_req_headers",
        "lua_max_resp_headers",
        "lua_max_uri_args",
        "lua_max_post_args",
        "untrusted_lua",
        "error_template_html",
        "error_template_json",
        "error_template_xml",
        "error_template_plain",
        "ssl_session_timeout",
        "ssl_session_cache_size",
        "lua_ssl_verify_depth",
        "dns_cache_size",
        "dns_no_sync",
        "new_dns_client",
        "resolver_address",
        "resolver_hosts_file",
        "resolver_family",
        "resolver_valid_ttl",
        "resolver_stale_ttl",
        "resolver_lru_cache_size",
        "resolver_mem_cache_size",
        "resolver_error_ttl",
        "nginx_admin_client_max_body_size",
        "nginx_admin_client_body_buffer_size",
        "wasm",
    }
)

# Values that ask for nothing: a setting of UNSUPPORTED with one of these is what we do anyway.
MODEST_VALUES = {
    "stream_listen": "off",
    "vaults": "bundled",
    "role": "traditional",
    "wasm": "off",
    "dns_cache_size": "10000",
    "dns_no_sync": "off",
    "new_dns_client": "off",
    "tracing_instrumentations": "off",
    "opentelemetry_tracing": "off",
}


def asks_for_nothing(name: str, value: str) -> bool:
    """Tell whether this setting may be passed over in silence."""
    if name in WITHOUT_EFFECT or name.startswith(WITHOUT_EFFECT_PREFIXES):
        return True
    return name in UNSUPPORTED and (value == "" or MODEST_VALUES.get(name) == value)


def is_known_but_unsupported(name: str) -> bool:
    """Tell whether Kong knows this name and we cannot honour it."""
    return name in UNSUPPORTED or name.startswith(("nginx_", "vault_"))
