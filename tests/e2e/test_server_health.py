"""Health is the node's, not a worker's: what one finds out all act on, across reloads and crashes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.gateway import Gateway, write_atomically
from tests.support.origin import Origin, OriginConnection
from tests.support.ports import free_ports

pytestmark = pytest.mark.slow

# With so many connections, one of two workers gets none once in 2^39.
CONNECTIONS = 40


def document(*addresses: str, healthchecks: dict[str, Any], comment: str = "") -> str:
    upstream = {
        "name": "u",
        "healthchecks": healthchecks,
        "targets": [{"target": address} for address in addresses],
    }
    service = {"name": "s", "host": "u", "retries": 1, "routes": [{"name": "r", "paths": ["/"]}]}
    text = yaml.safe_dump({"_format_version": "3.0", "services": [service], "upstreams": [upstream]})
    return f"{text}# {comment}\n"


PASSIVE = {"passive": {"unhealthy": {"http_failures": 1, "http_statuses": [500]}}}


class Failing:
    """An origin whose answers a test counts and chooses."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.asked = 0

    def __call__(self, connection: OriginConnection) -> None:
        connection.receive()
        self.asked += 1
        connection.answer(b"bad", status=self.status)


@pytest.fixture
def failing() -> Failing:
    return Failing()


@pytest.fixture
def served(tmp_path: Path, failing: Failing) -> Iterator[tuple[Gateway, Path, Callable[[str], str]]]:
    with Origin() as good, Origin(failing) as bad:

        def text(comment: str) -> str:
            return document(good.address, bad.address, healthchecks=PASSIVE, comment=comment)

        file = tmp_path / "kong.yaml"
        file.write_text(text("1"))
        with Gateway(file, workers=2) as gateway:
            yield gateway, file, text


def statuses(gateway: Gateway) -> list[int]:
    return [gateway.fetch("/").status for _ in range(CONNECTIONS)]


def test_a_failure_that_one_worker_sees_takes_the_target_out_of_all(
    served: tuple[Gateway, Path, Callable[[str], str]], failing: Failing
) -> None:
    gateway, _, _ = served
    first = statuses(gateway)
    # Both workers may have asked it once before either heard of the other's failure.
    assert 1 <= first.count(500) <= 2
    assert statuses(gateway) == [200] * CONNECTIONS
    assert failing.asked == first.count(500)


def test_it_stays_out_across_a_reload_and_a_crash(
    served: tuple[Gateway, Path, Callable[[str], str]], failing: Failing
) -> None:
    gateway, file, text = served
    statuses(gateway)
    asked = failing.asked
    previous = gateway.status()["configuration_hash"]
    write_atomically(file, text("2"))
    gateway.wait_for_configuration(previous)
    assert statuses(gateway) == [200] * CONNECTIONS
    for pid in gateway.worker_pids():
        os.kill(pid, signal.SIGKILL)
        gateway.log.wait_for(f"a worker ended and is replaced pid={pid} ")
    assert statuses(gateway) == [200] * CONNECTIONS
    assert failing.asked == asked


def test_probes_find_a_target_that_is_down_and_one_that_came_back(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    active = {
        "type": "tcp",
        "timeout": 1,
        "healthy": {"interval": 0.1, "successes": 1},
        "unhealthy": {"interval": 0.1, "tcp_failures": 1},
    }
    with Origin() as good:
        file = tmp_path / "kong.yaml"
        file.write_text(document(good.address, f"127.0.0.1:{port}", healthchecks={"active": active}))
        with Gateway(file, workers=2) as gateway:
            gateway.log.wait_for(rf"127\.0\.0\.1:{port}\).* is unhealthy")
            assert statuses(gateway) == [200] * CONNECTIONS
