"""A host for unit tests of bundled plugins, beside what ``pdk/testing.py`` gives everybody, and entities.

``FakeHost`` here has the real counters, cache and metrics in shared memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dbless_gateway.config.entities import Consumer, Credential
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
from tests.support.entities import HERE, make_consumer, make_credential, make_route, make_service

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
