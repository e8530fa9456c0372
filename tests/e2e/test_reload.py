"""An edit under constant traffic: nothing is lost, nothing is mixed, and an error changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.config import document, service
from tests.support.gateway import Gateway, write_atomically
from tests.support.load import SteadyLoad
from tests.support.origin import Origin, OriginConnection
from tests.support.wire import Response

RELOADS = 50
LIMIT_BASE = 1_000_000


@pytest.fixture
def echo_origin() -> Iterator[Origin]:
    """A target that answers with the path it was asked for."""

    def script(connection: OriginConnection) -> None:
        connection.answer(connection.receive().target.encode())

    with Origin(script) as origin:
        yield origin


def versioned(origin: Origin, version: int) -> str:
    """Return a configuration whose version shows in two unrelated places: the service's path and a plugin."""
    return document(
        service(origin.address, "/api", path=f"/v{version}"),
        plugins=[{"name": "rate-limiting", "config": {"minute": LIMIT_BASE + version, "policy": "local"}}],
    )


def seen_versions(response: Response) -> tuple[int, int]:
    """Return the version in the path that the target saw, and that in the plugin's header."""
    assert response.status == 200, response.raw
    by_path = int(response.body.removeprefix(b"/v").partition(b"/")[0])
    return by_path, int(response.get("X-RateLimit-Limit-Minute") or 0) - LIMIT_BASE


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_fifty_reloads_lose_and_mix_nothing(tmp_path: Path, echo_origin: Origin, workers: int) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(versioned(echo_origin, 0))
    with Gateway(file, workers=workers) as gateway:
        current = gateway.status()["configuration_hash"]
        with SteadyLoad(gateway.port, "/api/x", seen_versions) as load:
            for version in range(1, RELOADS + 1):
                write_atomically(file, versioned(echo_origin, version))
                current = gateway.wait_for_configuration(current)
        last = seen_versions(gateway.fetch("/api/x"))

    assert load.failures == []
    assert last == (RELOADS, RELOADS)
    for observations in load.observations:
        assert all(by_path == by_plugin for by_path, by_plugin in observations), (
            "one request, two configurations"
        )
        assert all(earlier <= later for earlier, later in pairwise(observations)), "a connection went back"
    assert load.count > RELOADS, "there was traffic"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("services: [", "kong.yaml:"),
        ("_format_version: '3.0'\nservices:\n- name: a\n  host: h\n  prot: 80\n", r"kong.yaml:5:\d+:.*prot"),
        (
            "_format_version: '3.0'\nservices:\n- host: h\n  routes:\n  - paths: ['~/(']\n",
            r"kong.yaml:5:\d+:",
        ),
        ("_format_version: '3.0'\nplugins:\n- name: no-such-plugin\n", r"kong.yaml:3:\d+:.*no-such-plugin"),
    ],
    ids=["not yaml", "unknown field", "bad regex", "unknown plugin"],
)
def test_broken_edit_changes_nothing_and_the_log_says_why(
    tmp_path: Path, echo_origin: Origin, broken: str, says: str
) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(versioned(echo_origin, 1))
    with Gateway(file) as gateway:
        before = gateway.status()["configuration_hash"]
        with SteadyLoad(gateway.port, "/api/x", seen_versions, clients=2) as load:
            write_atomically(file, broken)
            gateway.log.wait_for(says)
            assert gateway.status()["configuration_hash"] == before
            write_atomically(file, versioned(echo_origin, 2))
            gateway.wait_for_configuration(before)

    assert load.failures == []
    assert {version for seen in load.observations for version in seen} <= {(1, 1), (2, 2)}


def test_broken_file_at_start_names_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("_format_version: '3.0'\nservices:\n- prot: 80\nplugins:\n- name: no-such-plugin\n")
    with Gateway(file, wait=False) as gateway:
        assert gateway.process.wait(60) == 78
        gateway.log.wait_for(rf"{file}:3:\d+: ")
        gateway.log.wait_for(rf"{file}:5:\d+: ")
