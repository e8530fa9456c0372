"""The settings that the hot path needs, parsed: made once at start from ``server/settings.py``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from dbless_gateway.snapshot.certificates import TlsPolicy
from dbless_gateway.snapshot.target_tls import TargetTlsPolicy


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Times in seconds, sizes in bytes; each field names the Kong setting it comes from where the name
    differs.
    """

    version: str = "3.9.1"  # what ``Via`` and ``Server`` say
    server_tokens: bool = True  # headers: Server and Via
    latency_tokens: bool = True  # headers
    request_id_downstream: bool = True  # headers: X-Kong-Request-Id
    request_id_upstream: bool = True  # headers_upstream
    upstream_status: bool = False  # headers: X-Kong-Upstream-Status
    trusted_ips: tuple[IPv4Network | IPv6Network, ...] = ()
    trust_unix: bool = False
    real_ip_header: str = "X-Real-IP"
    real_ip_recursive: bool = False
    port_maps: dict[int, int] = field(default_factory=dict)
    router_flavor: str = "traditional_compatible"
    error_default_type: str = "text/plain"
    allow_debug_header: bool = False
    charset: str | None = "UTF-8"  # nginx_http_charset
    client_max_body_size: int = 0  # nginx_http_client_max_body_size; 0 is unlimited
    client_body_buffer_size: int = 65536  # nginx_http_client_body_buffer_size
    max_header_bytes: int = 32768  # nginx_http_large_client_header_buffers: 4 x 8k
    max_request_line_bytes: int = 8192
    max_header_count: int = 200
    client_header_timeout: float = 60.0
    client_body_timeout: float = 60.0
    send_timeout: float = 60.0
    keepalive_timeout: float = 75.0
    keepalive_requests: int = 10000
    max_connections: int = 0  # nginx_events_worker_connections; 0 is auto, see ``overload.py``
    max_active_requests: int = 0  # likewise
    upstream_keepalive_pool_size: int = 512
    upstream_keepalive_max_requests: int = 10000
    upstream_keepalive_idle_timeout: float = 60.0
    trusted_certificates: str | None = None  # lua_ssl_trusted_certificate: a PEM file; None: the system's
    target_tls: TargetTlsPolicy = field(default_factory=TargetTlsPolicy)  # proxy_ssl_*, client_ssl
    tls: TlsPolicy | None = field(default_factory=TlsPolicy)  # ssl_*; None: no listener has ssl
    plugin_fail_open: frozenset[str] = frozenset()
    access_log: str | None = None  # proxy_access_log: a path, or None for off

    def __reduce__(self) -> tuple[type[ProxyOptions], tuple[Any, ...]]:
        """Travel between processes by value: compiled, frozen fields cannot be filled one by one."""
        return ProxyOptions, tuple(getattr(self, one.name) for one in fields(self))
