"""What a reload says about itself: in the log, and in the status of the node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.config import document, service
from tests.support.gateway import Gateway, write_atomically
from tests.support.origin import Origin, OriginConnection

WORKERS = 2
FAILURES = 2


def _upstream(name: str, address: str, **unhealthy: Any) -> dict[str, Any]:
    checks = {"passive": {"unhealthy": {"http_failures": FAILURES, "http_statuses": [500], **unhealthy}}}
    return {"name": name, "healthchecks": checks, "targets": [{"target": address}]}


class Scene:
    """A gateway in front of an origin by way of two upstreams."""

    def __init__(self, gateway: Gateway, origin: Origin, file: Path) -> None:
        self.gateway = gateway
        self.origin = origin
        self.file = file

    def reload(self, *upstreams: dict[str, Any], **entities: Any) -> dict[str, Any]:
        """Serve these upstreams; return what the node's status says about the reload."""
        previous = self.gateway.status()["configuration_hash"]
        write_atomically(self.file, config(*upstreams, **entities))
        self.gateway.wait_for_configuration(previous)
        last: dict[str, Any] = self.gateway.status()["configuration"]["last_load"]
        return last


def config(*upstreams: dict[str, Any], **entities: Any) -> str:
    return document(service("one:80", "/"), upstreams=list(upstreams), **entities)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Origin() as origin:
        file = tmp_path / "kong.yaml"
        file.write_text(config(_upstream("one", origin.address), _upstream("two", origin.address)))
        with Gateway(file, workers=WORKERS) as gateway:
            yield Scene(gateway, origin, file)


def test_a_reload_tells_what_it_kept_and_what_it_made_anew(scene: Scene) -> None:
    one, two = _upstream("one", scene.origin.address), _upstream("two", scene.origin.address)
    two["targets"] = [{"target": "127.0.0.1:9"}]
    three = _upstream("three", scene.origin.address)
    load = scene.reload(one, two, three, plugins=[{"name": "correlation-id"}])
    assert load["outcome"] == "reloaded"
    assert load["old_hash"] != load["new_hash"]
    assert 0 < load["swap_ms"] < load["duration_ms"]
    assert load["kept"] == load["kept"] | {
        "balancers_kept": 1,
        "balancers_rebuilt": 1,
        "balancers_new": 1,
        "balancers_dropped": 0,
        "plugins_kept": 0,
        "plugins_new": 1,
    }
    line = scene.gateway.log.wait_for(": reloaded ")
    assert f"old_hash={load['old_hash']} hash={load['new_hash']}" in line
    assert "balancers_rebuilt=1" in line


def test_health_that_no_longer_holds_is_told_with_its_reason(scene: Scene) -> None:
    def fail(connection: OriginConnection) -> None:
        connection.receive()
        connection.answer(status="500 Internal Server Error")

    scene.origin.script = fail
    while scene.gateway.fetch().status == 500:
        pass
    two = _upstream("two", scene.origin.address)
    kept = scene.reload(_upstream("one", scene.origin.address), two, plugins=[{"name": "correlation-id"}])
    assert kept["reasons"] == []
    assert kept["kept"]["health_addresses_kept"] == 1
    assert scene.gateway.fetch().status == 503, "what was learned outlives the reload"

    anew = scene.reload(_upstream("one", scene.origin.address, http_statuses=[500, 502]), two)
    assert anew["reasons"] == ["health of upstream one starts anew: its checks have changed"]
    assert scene.gateway.fetch().status == 500


def test_rejected_files_are_counted(scene: Scene) -> None:
    logged = len(scene.gateway.log.lines)
    write_atomically(scene.file, '_format_version: "3.0"\nservices: [{host: h, read_timeot: 5}]\n')
    scene.gateway.log.wait_for(": rejected", after=logged)
    scene.gateway.log.wait_for("unknown field .did you mean `read_timeout`", after=logged)
    found = scene.gateway.status()["configuration"]
    assert found["loads"]["succeeded"] == 1
    assert found["loads"]["rejected"] == 1
    assert found["last_load"]["outcome"] == "rejected"
