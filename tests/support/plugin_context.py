"""A host and entities for unit tests of bundled plugins, beside what ``pdk/testing.py`` gives everybody.

``FakeHost`` here has the real counters, cache and metrics in shared memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dbless_gateway.config.entities import Consumer, Credential, Route, Service, Where
from dbless_gateway.pdk import testing
from dbless_gateway.pdk.config import build_config
from dbless_gateway.pdk.plugin import Host, PluginEnv
from dbless_gateway.pdk.testing import (
    START,
    FakeCaptures,
    FakeContext,
    FakeHeaders,
    FakeQueue,
    FakeTls,
)
from dbless_gateway.runtime.cache import RingCache
from dbless_gateway.runtime.counters import SharedCounters
from dbless_gateway.runtime.metrics import SharedMetrics

__all__ = [
    "HERE",
    "START",
    "FakeCaptures",
    "FakeContext",
    "FakeHeaders",
    "FakeHost",
    "FakeQueue",
    "FakeTls",
    "make_consumer",
    "make_credential",
    "make_env",
    "make_handler",
    "make_route",
    "make_service",
]

HERE = Where("kong.yaml", 1, 1)


class FakeHost(testing.FakeHost):
    """A node with the shared memory that a real one has."""

    def __init__(self) -> None:
        super().__init__()
        self.counters: Any = SharedCounters.create(slots=1024, now=self.now)
        self.cache: Any = RingCache.create(ring_bytes=1 << 20, now=self.now)
        self.metrics: Any = SharedMetrics.create(size_bytes=1 << 16)

    def secret(self, purpose: str) -> bytes:
        secret: bytes = self.counters.secret(purpose)
        return secret


def make_env(
    host: Host | None = None,
    *,
    consumers: Iterable[Consumer] = (),
    credentials: Iterable[Credential] = (),
    service_id: str | None = None,
    route_id: str | None = None,
    consumer_id: str | None = None,
) -> PluginEnv:
    """Return the environment of one plugin instance."""
    return testing.make_env(
        host or FakeHost(),
        consumers=consumers,
        credentials=credentials,
        service_id=service_id,
        route_id=route_id,
        consumer_id=consumer_id,
    )


def make_handler(plugin: Any, config: dict[str, Any], env: PluginEnv | None = None) -> Any:
    """Return a handler of a plugin module as the snapshot's loader makes it."""
    return plugin.Handler(build_config(plugin.Config, config), env or make_env())


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
