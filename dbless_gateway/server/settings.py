"""The one table of process settings: name, type, default, help, flag.

Variables (``KONG_<NAME>``), command-line flags and the reference documentation are derived from it.
``setting_values.py`` reads them; what the values mean together is ``options.py``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbless_gateway.server import setting_types as types
from dbless_gateway.server.listen import addresses
from dbless_gateway.snapshot.certificates import VERIFY_CLIENT_MODES

VARIABLE_PREFIX = "KONG_"

LOG_LEVELS = ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``default`` is text, read like a user's: so the table can be printed as it is."""

    name: str
    read: types.Reader
    default: str
    help: str
    flag: str | None = None
    ours: bool = False  # Kong has no such setting

    @property
    def variable(self) -> str:
        """The environment variable."""
        return VARIABLE_PREFIX + self.name.upper()


_HEADER_TOKENS = types.tokens(
    "server_tokens",
    "latency_tokens",
    "Server",
    "Via",
    "X-Kong-Proxy-Latency",
    "X-Kong-Response-Latency",
    "X-Kong-Admin-Latency",
    "X-Kong-Upstream-Latency",
    "X-Kong-Upstream-Status",
    "X-Kong-Request-Id",
)
_ERROR_TYPES = types.one_of("application/json", "application/xml", "text/html", "text/plain")
_FLAVORS = types.one_of("traditional", "traditional_compatible", "expressions")
_COUNT = types.integer(0)


SETTINGS: tuple[Setting, ...] = (
    # Where it listens.
    Setting(
        "proxy_listen",
        addresses,
        "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
        "Addresses that take clients' requests.",
        "--proxy-listen",
    ),
    Setting(
        "admin_listen",
        addresses,
        "127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384",
        "Addresses of the Admin API, or off.",
        "--admin-listen",
    ),
    Setting(
        "status_listen",
        addresses,
        "127.0.0.1:8007 reuseport backlog=16384",
        "Addresses of the Status API (readiness), or off.",
        "--status-listen",
    ),
    Setting("port_maps", types.port_maps, "", "Outside ports of listening ports, as 80:8000."),
    # What it serves.
    Setting("database", types.one_of("off"), "off", "There is no database: only off."),
    Setting("declarative_config", types.text, "", "The configuration file, when no -c is given."),
    Setting("declarative_config_string", types.text, "", "The configuration itself, when no file is given."),
    Setting(
        "watch", types.boolean, "on", "Reload when the configuration's files change.", "--watch", ours=True
    ),
    Setting(
        "on_invalid",
        types.one_of("fail", "last-good"),
        "fail",
        "What a start with an invalid configuration does: fail, or serve what was served last.",
        "--on-invalid",
        ours=True,
    ),
    Setting(
        "state_folder",
        types.text,
        "",
        "Where what was served last is kept; STATE_DIRECTORY or ~/.local/state/dbless-gateway when empty.",
        ours=True,
    ),
    Setting(
        "expand_env",
        types.boolean,
        "off",
        "Replace ${X}, ${X:-default} and ${X:?message} in the configuration by variables of the environment.",
        "--expand-env",
        ours=True,
    ),
    Setting("vault_env_prefix", types.text, "", "What names of variables in {vault://env/...} begin with."),
    Setting(
        "admin_write",
        types.boolean,
        "off",
        "Let the Admin API change the configuration's file; without it every write is answered with 405.",
        "--admin-write",
        ours=True,
    ),
    Setting(
        "admin_token",
        types.text,
        "",
        "A secret that requests to the Admin API must carry, as Kong-Admin-Token or as a bearer token.",
        ours=True,
    ),
    Setting("router_flavor", _FLAVORS, "traditional_compatible", "How routes are matched."),
    Setting("node_id", types.text, "", "A UUID that names this node; made up at each start when empty."),
    # Plugins.
    Setting(
        "plugins",
        types.plugin_names,
        "all",
        "Plugins that a configuration may use: names, bundled for those that come with the gateway, off, or "
        "all: also those of plugin_dir and of installed packages.",
    ),
    Setting(
        "plugin_dir",
        types.words,
        "",
        "Folders with plugins of your own; a changed file is loaded anew.",
        "--plugin-dir",
        ours=True,
    ),
    Setting(
        "plugin_fail_open",
        types.words,
        "",
        "Plugins whose errors are logged and passed over; an error of any other is answered with 500.",
        ours=True,
    ),
    # How it runs.
    Setting(
        "nginx_worker_processes",
        types.workers,
        "auto",
        "Worker processes: a number, or auto: the processors it may use.",
        "--workers",
    ),
    Setting(
        "log_level", types.one_of(*LOG_LEVELS), "notice", "The least severity that is logged.", "--log-level"
    ),
    Setting("proxy_access_log", types.text, "off", "File of the access log, or off."),
    Setting("mem_cache_size", types.size_bytes, "128m", "Shared memory for cached responses."),
    Setting(
        "drain_timeout",
        types.seconds,
        "10s",
        "At SIGTERM: how long requests in flight may still take.",
        "--drain-timeout",
        ours=True,
    ),
    Setting(
        "drain_delay",
        types.seconds,
        "0s",
        "At SIGTERM: how long to go on serving, not ready, before it stops accepting.",
        "--drain-delay",
        ours=True,
    ),
    # What clients see.
    Setting(
        "headers",
        _HEADER_TOKENS,
        "server_tokens, latency_tokens, X-Kong-Request-Id",
        "Headers that the gateway adds to responses, or off.",
    ),
    Setting(
        "headers_upstream",
        types.tokens("X-Kong-Request-Id"),
        "X-Kong-Request-Id",
        "Headers that the gateway adds to requests, or off.",
    ),
    Setting(
        "error_default_type",
        _ERROR_TYPES,
        "text/plain",
        "Content type of errors when the client accepts anything.",
    ),
    Setting(
        "allow_debug_header",
        types.boolean,
        "off",
        "Tell clients that send Kong-Debug which route and service took their request, in Kong-Route-Id, "
        "Kong-Route-Name, Kong-Service-Id and Kong-Service-Name.",
    ),
    Setting(
        "nginx_http_charset", types.text, "UTF-8", "Charset added to text responses without one, or off."
    ),
    # Who the client is.
    Setting("trusted_ips", types.networks, "", "Peers whose X-Forwarded-* headers are believed."),
    Setting(
        "real_ip_header",
        types.text,
        "X-Real-IP",
        "Header that holds the client's address when the peer is trusted.",
    ),
    Setting("real_ip_recursive", types.boolean, "off", "Skip trusted addresses in that header."),
    # Limits on clients.
    Setting(
        "nginx_http_client_max_body_size", types.size_bytes, "0", "Largest request body; 0 is unlimited."
    ),
    Setting("nginx_proxy_client_max_body_size", types.text, "", "The same; wins when both are set."),
    Setting(
        "nginx_http_client_body_buffer_size",
        types.size_bytes,
        "64k",
        "Largest request body that plugins see.",
    ),
    Setting(
        "nginx_http_large_client_header_buffers",
        types.buffers,
        "4 8k",
        "Request head: number of buffers and size; one holds the request line.",
    ),
    Setting("nginx_http_client_header_timeout", types.seconds, "60s", "How long a request head may take."),
    Setting("nginx_http_client_body_timeout", types.seconds, "60s", "How long a request body may pause."),
    Setting("nginx_http_send_timeout", types.seconds, "60s", "How long a client may not read."),
    Setting(
        "nginx_http_keepalive_timeout", types.seconds, "75s", "How long an idle client connection is kept."
    ),
    Setting("nginx_http_keepalive_requests", _COUNT, "10000", "Requests on one client connection."),
    Setting(
        "nginx_events_worker_connections",
        types.count_or_auto,
        "auto",
        "Client connections of a worker; more are answered with 503. auto: the limit on file descriptors, "
        "at most 16384.",
    ),
    Setting(
        "max_active_requests",
        types.count_or_auto,
        "auto",
        "Requests that a worker has in flight; more are answered with 503. auto: half of the connections, "
        "because each request holds two.",
        ours=True,
    ),
    # TLS with clients.
    Setting(
        "ssl_cert",
        types.pem_texts,
        "",
        "Certificates for clients whose server name has none: PEM files, one of each kind of key; "
        "made at each start when empty.",
    ),
    Setting("ssl_cert_key", types.pem_texts, "", "Their private keys, in the same order."),
    Setting("admin_ssl_cert", types.pem_texts, "", "The same for the Admin API."),
    Setting("admin_ssl_cert_key", types.pem_texts, "", "Their private keys."),
    Setting(
        "nginx_admin_ssl_client_certificate",
        types.optional_pem_text,
        "",
        "PEM file with the authorities of the certificates of the Admin API's clients.",
    ),
    Setting(
        "nginx_admin_ssl_verify_client",
        types.one_of(*VERIFY_CLIENT_MODES),
        "off",
        "Ask clients of the Admin API for a certificate: off, optional, or on, which refuses clients "
        "without one.",
    ),
    Setting("status_ssl_cert", types.pem_texts, "", "The same for the Status API."),
    Setting("status_ssl_cert_key", types.pem_texts, "", "Their private keys."),
    Setting(
        "ssl_cipher_suite",
        types.one_of("modern", "intermediate", "old", "fips", "custom"),
        "intermediate",
        "Protocols and ciphers, after Mozilla's recommendations; custom: those of the next three.",
    ),
    Setting(
        "ssl_protocols", types.protocols, "TLSv1.2 TLSv1.3", "Versions of TLS, from the oldest to the newest."
    ),
    Setting("ssl_ciphers", types.text, "", "Ciphers up to TLS 1.2, in OpenSSL's form."),
    Setting("ssl_prefer_server_ciphers", types.boolean, "on", "The gateway's order of ciphers counts."),
    Setting("ssl_dhparam", types.optional_file, "", "PEM file with Diffie-Hellman parameters."),
    Setting("ssl_session_tickets", types.boolean, "on", "Let clients resume sessions by tickets."),
    Setting(
        "nginx_proxy_ssl_client_certificate",
        types.optional_pem_text,
        "",
        "PEM file with the authorities of clients' certificates.",
    ),
    Setting(
        "nginx_proxy_ssl_verify_client",
        types.one_of(*VERIFY_CLIENT_MODES),
        "off",
        "Ask clients for a certificate: off, optional, or on, which refuses clients without one.",
    ),
    # Connections to targets.
    Setting(
        "upstream_keepalive_pool_size", _COUNT, "512", "Idle connections kept to one target; 0 keeps none."
    ),
    Setting(
        "upstream_keepalive_max_requests",
        _COUNT,
        "10000",
        "Requests on one target connection; 0 is unlimited.",
    ),
    Setting(
        "upstream_keepalive_idle_timeout",
        types.seconds,
        "60s",
        "How long an idle target connection is kept; 0 is forever.",
    ),
    Setting(
        "client_ssl",
        types.boolean,
        "off",
        "Show a certificate to targets with TLS that name none of their own.",
    ),
    Setting("client_ssl_cert", types.pem_texts, "", "This certificate: a PEM file."),
    Setting("client_ssl_cert_key", types.pem_texts, "", "Its private key."),
    Setting(
        "nginx_proxy_proxy_ssl_verify",
        types.boolean,
        "off",
        "Verify the certificates of targets whose service has no tls_verify.",
    ),
    Setting(
        "nginx_proxy_proxy_ssl_verify_depth",
        _COUNT,
        "1",
        "Authorities between such a certificate and a trusted one, for services without tls_verify_depth.",
    ),
    Setting(
        "nginx_proxy_proxy_ssl_trusted_certificate",
        types.trusted_file,
        "",
        "PEM file with the authorities of targets without ca_certificates; else the next setting.",
    ),
    Setting(
        "lua_ssl_trusted_certificate",
        types.trusted_file,
        "system",
        "PEM file with the authorities that targets, https health checks, Redis and issuers of keys are "
        "verified against.",
    ),
    # Names.
    Setting(
        "dns_resolver", types.words, "", "Name servers, as ip or ip:port; those of resolv.conf when empty."
    ),
    Setting("dns_hostsfile", types.text, "/etc/hosts", "The hosts file."),
    Setting(
        "dns_order", types.words, "LAST, SRV, A, CNAME", "Record types in the order in which they are asked."
    ),
    Setting("dns_valid_ttl", types.optional_seconds, "", "Time to keep answers whatever their TTL says."),
    Setting("dns_stale_ttl", types.seconds, "3600", "How long an expired answer may still be used."),
    Setting("dns_not_found_ttl", types.seconds, "30", 'How long "no such name" is believed.'),
    Setting("dns_error_ttl", types.seconds, "1", "How long other errors are kept."),
)


BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}

FLAGGED: tuple[Setting, ...] = tuple(setting for setting in SETTINGS if setting.flag is not None)
