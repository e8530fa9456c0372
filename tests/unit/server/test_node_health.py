from __future__ import annotations

import asyncio
from typing import Any

from dbless_gateway.config.load import load
from dbless_gateway.config.slices import to_slices
from dbless_gateway.config.source import Source
from dbless_gateway.runtime.health_messages import REPORT_TOPIC, STATE_TOPIC, Address, PassiveReport
from dbless_gateway.server.node_health import NodeHealth
from dbless_gateway.server.receipts import Receipt
from dbless_gateway.server.setting_values import read_settings
from dbless_gateway.server.settings import BY_NAME
from tests.support.local_bus import LocalBus

TEXT = """
_format_version: "3.0"
upstreams:
- name: u
  healthchecks:
    passive:
      unhealthy: {tcp_failures: 2}
  targets:
  - target: 127.0.0.1:9
"""


def slices_of(text: str) -> list[bytes]:
    entities = load([Source("kong.yaml", text)]).entities
    assert entities is not None
    return to_slices(entities)


def dns_settings() -> dict[str, Any]:
    values = read_settings({}, {})
    return {name: values[name] for name in BY_NAME if name.startswith("dns_")}


def test_what_workers_report_is_counted_and_told_across_reloads() -> None:
    async def scenario() -> None:
        bus = LocalBus()
        worker = bus.end()
        heard: list[Any] = []
        worker.subscribe(STATE_TOPIC, heard.append)
        health = NodeHealth(bus.end(), dns_settings())
        await health.adopt(slices_of(TEXT), Receipt())
        ((upstream_id, address),) = health.addresses()
        assert address == Address("127.0.0.1", "127.0.0.1", 9)
        report = PassiveReport(upstream_id, address, "tcp_failures", 0)
        worker.publish(REPORT_TOPIC, report)
        await health.adopt(slices_of(TEXT.replace("name: u", "name: u\n  tags: [changed]")), Receipt())
        assert health.registry.is_available(upstream_id, address)
        worker.publish(REPORT_TOPIC, report)
        assert [change.state for change in heard] == ["mostly_healthy", "unhealthy"]
        assert {(change.upstream_id, change.address) for change in heard} == {(upstream_id, address)}
        assert not health.registry.is_available(upstream_id, address)
        await health.close()

    asyncio.run(scenario())


def test_no_ring_is_built_for_what_nobody_picks_from() -> None:
    async def scenario() -> None:
        health = NodeHealth(LocalBus().end(), dns_settings())
        await health.adopt(
            slices_of(TEXT.replace("name: u", "name: u\n  algorithm: consistent-hashing\n  hash_on: ip")),
            Receipt(),
        )
        ((upstream_id, _),) = health.addresses()
        assert health.upstreams.for_upstream(upstream_id).hash_key is None
        await health.close()

    asyncio.run(scenario())


def test_upstreams_that_are_gone_are_no_longer_resolved() -> None:
    async def scenario() -> None:
        health = NodeHealth(LocalBus().end(), dns_settings())
        await health.adopt(slices_of(TEXT), Receipt())
        await health.adopt(slices_of('_format_version: "3.0"\nservices:\n- name: s\n  host: h\n'), Receipt())
        assert list(health.addresses()) == []
        await health.close()

    asyncio.run(scenario())
