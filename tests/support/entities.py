"""Entities for tests, with the defaults of the configuration filled in.

Upstreams and targets are in ``upstream_entities.py``.
"""

from __future__ import annotations

from typing import Any

from dbless_gateway.config.entities import Consumer, Credential, Route, Service, Where

HERE = Where("kong.yaml", 1, 1)


def make_consumer(consumer_id: str, username: str | None = None, custom_id: str | None = None) -> Consumer:
    return Consumer(consumer_id, username, custom_id, None, 0, 0, HERE)


def make_credential(credential_id: str, kind: str, consumer_id: str, **fields: Any) -> Credential:
    return Credential(credential_id, kind, consumer_id, fields, None, 0, HERE)


def make_service(service_id: str, **changes: Any) -> Service:
    values: dict[str, Any] = {
        "id": service_id,
        "name": "api",
        "protocol": "http",
        "host": "target.test",
        "port": 80,
        "path": None,
        "retries": 5,
        "connect_timeout": 60000,
        "write_timeout": 60000,
        "read_timeout": 60000,
        "client_certificate": None,
        "tls_verify": None,
        "tls_verify_depth": None,
        "ca_certificates": None,
        "enabled": True,
        "tags": None,
        "created_at": 1,
        "updated_at": 1,
        "where": HERE,
    }
    return Service(**(values | changes))


def make_route(route_id: str, **changes: Any) -> Route:
    values: dict[str, Any] = {
        "id": route_id,
        "name": "all",
        "service": None,
        "protocols": ("http", "https"),
        "methods": None,
        "hosts": None,
        "paths": ("/",),
        "headers": None,
        "snis": None,
        "sources": None,
        "destinations": None,
        "expression": None,
        "priority": None,
        "regex_priority": 0,
        "strip_path": True,
        "path_handling": "v0",
        "preserve_host": False,
        "https_redirect_status_code": 426,
        "request_buffering": True,
        "response_buffering": True,
        "tags": None,
        "created_at": 1,
        "updated_at": 1,
        "where": HERE,
    }
    return Route(**(values | changes))
