"""The getting-started walks over the Admin API, with the commands as they are printed there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, write_atomically
from tests.support.origin import Origin

FILE = """\
_format_version: "3.0"
services:
  # The walk points it at an upstream.
  - name: example_service
    url: http://unreachable.test
    routes:
      - name: mocking
        paths: [/mock]
"""
CURL = [
    "curl -f -s -X POST http://localhost:8001/upstreams --data name=example_upstream",
    "curl -f -s -X PATCH http://localhost:8001/services/example_service --data host='example_upstream'",
    "curl -f -s -X POST http://localhost:8001/upstreams/example_upstream/targets --data target='{first}'",
    "curl -f -s -X POST http://localhost:8001/upstreams/example_upstream/targets --data target='{second}'",
]
HTTPIE = [
    "http --check-status --ignore-stdin POST :8001/upstreams name=example_upstream",
    "http --check-status --ignore-stdin PATCH :8001/services/example_service host='example_upstream'",
    "http --check-status --ignore-stdin POST :8001/upstreams/example_upstream/targets target='{first}'",
    "http --check-status --ignore-stdin POST :8001/upstreams/example_upstream/targets target='{second}'",
]
# Written down by the gateway, in the place and the style of the file.
AFTER = """\
_format_version: "3.0"
services:
  # The walk points it at an upstream.
  - name: example_service
    host: example_upstream
    protocol: http
    port: 80
    routes:
      - name: mocking
        paths: [/mock]
upstreams:
  - name: example_upstream
    targets:
      - target: {first}
      - target: {second}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kong.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture
def origins() -> Iterator[tuple[str, str]]:
    with Origin(name="first") as first, Origin(name="second") as second:
        yield first.address, second.address


def run(command: str, gateway: Gateway) -> str:
    """Run a printed command against this gateway's port."""
    ported = command.replace(":8001", f":{gateway.admin_port}")
    # HTTPie is installed where this interpreter is.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(ported, shell=True, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, (ported, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "commands"), [("curl", CURL), ("http", HTTPIE)])
def test_load_balancing_walk(tool: str, commands: list[str], file: Path, origins: tuple[str, str]) -> None:
    if shutil.which(tool) is None and not (Path(sys.executable).parent / tool).exists():
        pytest.skip(f"the walk calls {tool}")
    first, second = origins
    with Gateway(file, workers=2, flags=("--admin-write", "on")) as gateway:
        for command in commands:
            run(command.format(first=first, second=second), gateway)
        # One connection stays with one worker, whose turns are its own.
        with gateway.connect() as client:
            answers = [client.request(target="/mock").body for _ in range(4)]
        assert sorted(answers[:2]) == [b"first", b"second"]
        assert answers[2:] == answers[:2]
        assert file.read_text() == AFTER.format(first=first, second=second)
        listed = json.loads(run("curl -s http://localhost:8001/upstreams/example_upstream/targets", gateway))
        assert {row["target"] for row in listed["data"]} == {first, second}


@pytest.mark.slow
def test_without_leave_the_walk_ends_with_a_hint(file: Path) -> None:
    with Gateway(file) as gateway:
        said = run(CURL[0].replace("-f ", ""), gateway)
        assert json.loads(said)["code"] == 12
        assert "name: example_upstream" in json.loads(said)["hint"]
        assert file.read_text() == FILE


@pytest.mark.slow
def test_a_change_by_hand_is_kept_and_a_broken_file_refuses(file: Path) -> None:
    with Gateway(file, flags=("--admin-write", "on")) as gateway:
        write_atomically(file, FILE.replace("mocking", "renamed"))
        run(CURL[0], gateway)
        assert "renamed" in file.read_text()
        assert "example_upstream" in file.read_text()
        write_atomically(file, "services: [")
        said = json.loads(run(CURL[0].replace("-f ", ""), gateway))
        assert "not valid" in said["message"]
        assert file.read_text() == "services: ["
        # What is served is still what was written last.
        assert json.loads(run("curl -s http://localhost:8001/upstreams", gateway))["data"]


@pytest.mark.slow
def test_writers_at_once_lose_nothing_and_a_condition_holds(file: Path) -> None:
    with Gateway(file, workers=2, flags=("--admin-write", "on")) as gateway:
        target = f"http://localhost:{gateway.admin_port}/upstreams"
        writers = [
            subprocess.Popen(["curl", "-f", "-s", "-o", os.devnull, target, "-d", f"name=u{number}"])
            for number in range(4)
        ]
        assert [writer.wait(60) for writer in writers] == [0] * 4
        listed = json.loads(run("curl -s http://localhost:8001/upstreams", gateway))
        assert {row["name"] for row in listed["data"]} == {"u0", "u1", "u2", "u3"}
        before = file.read_text()
        code = "curl -s -o /dev/null -w %{http_code} -X DELETE http://localhost:8001/upstreams/u0"
        assert run(f"{code} -H 'If-Match: \"another\"'", gateway) == "412"
        assert file.read_text() == before
        current = gateway.status()["configuration_hash"]
        assert run(f"{code} -H 'If-Match: \"{current}\"'", gateway) == "204"
        assert "u0" not in file.read_text()


@pytest.mark.slow
def test_requests_are_counted_over_workers_and_reloads(tmp_path: Path, origins: tuple[str, str]) -> None:
    file = tmp_path / "kong.yaml"
    text = FILE.replace("unreachable.test", origins[0]) + (
        "plugins:\n  - name: prometheus\n    config: {status_code_metrics: true}\n"
    )
    file.write_text(text)
    with Gateway(file, workers=2) as gateway:
        for _ in range(6):
            assert gateway.fetch("/mock").status == 200
        previous = gateway.status()["configuration_hash"]
        write_atomically(file, text + "# changed\n")
        gateway.wait_for_configuration(previous)
        assert gateway.fetch("/mock").status == 200
        said = run(f"curl -f -s http://localhost:{gateway.status_port}/metrics", gateway)
        (line,) = [line for line in said.splitlines() if line.startswith("kong_http_requests_total{")]
        assert 'route="mocking",code="200",source="service"' in line
        assert line.endswith(" 7")
