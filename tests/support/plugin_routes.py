"""A configuration with one route for each bundled plugin, as a user would write it.

``/key-auth`` has key-auth, and so on; what a plugin needs besides itself is on its route, too. Plugins that
send something away get the addresses of a test's listeners.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.config import service, write

JWT_SECRET = "a secret that is long enough for HS256"
HMAC_SECRET = "an hmac secret"
# With costs that suit a test.
SCRYPT_OF_SLOW = "$scrypt$ln=4,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$EOL4zZsNo4JeFrJPQAe672y3cDfUUxFzYrf9M2X5P4w"
# Windows of a year: a test does not run into the next one.
YEAR_2 = {"year": 2}
# Sent at once: nobody waits for a batch.
AT_ONCE = {"max_coalescing_delay": 0.01}

CONSUMERS: list[dict[str, Any]] = [
    {
        "username": "alice",
        "keyauth_credentials": [{"key": "alices-key"}],
        "basicauth_credentials": [
            {"username": "alice", "password": "pa:ss"},
            {"username": "hashed", "password": SCRYPT_OF_SLOW},
        ],
        "hmacauth_credentials": [{"username": "alice", "secret": HMAC_SECRET}],
        "jwt_secrets": [{"key": "alices-issuer", "secret": JWT_SECRET}],
        "acls": [{"group": "staff"}],
    },
    {"username": "bob", "keyauth_credentials": [{"key": "bobs-key"}]},
    {"username": "nobody"},
]


def plugin_configs(folder: Path, ports: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    """Return the plugins of each route; ``ports`` are listeners by the name of the plugin."""

    def http(name: str) -> str:
        return f"http://127.0.0.1:{ports[name]}/in"

    key_auth: dict[str, Any] = {"name": "key-auth"}
    by_client = {"limit_by": "header", "header_name": "X-Client"}
    alone: dict[str, dict[str, Any]] = {
        "basic-auth": {"hide_credentials": True},
        "bot-detection": {"deny": ["evil"]},
        "correlation-id": {"header_name": "X-Trace", "generator": "uuid", "echo_downstream": True},
        "cors": {"origins": ["http://a.test"], "methods": ["GET"], "max_age": 60, "credentials": True},
        "file-log": {"path": str(folder / "requests.log")},
        "hmac-auth": {"enforce_headers": ["date", "@request-target"]},
        "http-log": {"http_endpoint": http("http-log"), "queue": AT_ONCE},
        "ip-restriction": {"deny": ["127.0.0.2"]},
        "jwt": {"claims_to_verify": ["exp"]},
        "key-auth": {"hide_credentials": True},
        "opentelemetry": {
            "traces_endpoint": http("opentelemetry"),
            "sampling_rate": 1,
            "queue": AT_ONCE,
        },
        "prometheus": {"status_code_metrics": True},
        "proxy-cache": {"strategy": "memory", "content_type": ["application/json"]},
        "rate-limiting": {"year": 2, **by_client},
        "redirect": {"status_code": 308, "location": "https://new.test/a", "keep_incoming_path": False},
        "request-size-limiting": {"allowed_payload_size": 10, "size_unit": "bytes"},
        "request-termination": {"status_code": 503, "message": "closed on Sundays", "trigger": "X-Sunday"},
        "request-transformer": {"add": {"headers": ["X-Added:1"]}, "remove": {"headers": ["X-Removed"]}},
        "response-transformer": {"add": {"headers": ["X-Added:1"]}, "remove": {"headers": ["X-Removed"]}},
        "statsd": {
            "host": "127.0.0.1",
            "port": ports["statsd"],
            "metrics": [{"name": "request_count", "stat_type": "counter", "sample_rate": 1}],
            "queue": AT_ONCE,
        },
        "syslog": {},
        "tcp-log": {"host": "127.0.0.1", "port": ports["tcp-log"]},
        "udp-log": {"host": "127.0.0.1", "port": ports["udp-log"]},
        "zipkin": {"http_endpoint": http("zipkin"), "sample_ratio": 1, "queue": AT_ONCE},
    }
    routes = {name: [{"name": name, "config": config}] for name, config in alone.items()}
    routes["acl"] = [key_auth, {"name": "acl", "config": {"allow": ["staff"]}}]
    routes["response-ratelimiting"] = [
        {"name": "response-ratelimiting", "config": {"limits": {"video": YEAR_2}, "limit_by": "ip"}}
    ]
    routes["session"] = [
        {
            "name": "session",
            "config": {"secret": "of the session", "storage": "cookie", "cookie_secure": False},
        },
        {"name": "key-auth", "config": {"anonymous": "nobody", "anonymous_on": "missing"}},
    ]
    return routes


def write_plugin_routes(folder: Path, address: str, ports: dict[str, int]) -> Path:
    """Write the configuration; all routes lead to the same target."""
    routes = plugin_configs(folder, ports)
    services = (service(address, f"/{name}", plugins=plugins) for name, plugins in routes.items())
    return write(folder, *services, consumers=CONSUMERS)
