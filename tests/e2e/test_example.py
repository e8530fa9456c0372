"""kong.yaml.example loads, is served, and does what its comments say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from dbless_gateway.cli.demo import TARGET_PORTS, serve_target
from tests.support.client import fetch
from tests.support.gateway import (
    EXAMPLE,
    REPOSITORY,
    STOP_TIMEOUT_S,
    Gateway,
    GatewayLog,
    resident_bytes,
)
from tests.support.ports import free_ports

MEMORY_LIMIT_BYTES = 60_000_000


@dataclass(frozen=True)
class Served:
    """The example as it stands, except that its targets listen on free ports."""

    gateway: Gateway
    targets: list[str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with ExitStack() as stack:
        ports = [stack.enter_context(serve_target(0)) for _ in TARGET_PORTS]
        file = tmp_path_factory.mktemp("example") / "kong.yaml"
        file.write_text(example_with_ports(ports))
        gateway = stack.enter_context(Gateway(file))
        yield Served(gateway, [f"127.0.0.1:{port}" for port in ports])


def example_with_ports(ports: list[int]) -> str:
    text = EXAMPLE.read_text()
    for written, used in zip(TARGET_PORTS, ports, strict=True):
        assert f"127.0.0.1:{written}" in text
        text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{used}")
    return text


def test_the_file_itself_is_valid() -> None:
    """The very file, untouched: its targets need not listen for it to be served."""
    with Gateway(EXAMPLE) as gateway:
        assert gateway.fetch("/elsewhere").status == 404


def test_answering_target_changes(served: Served) -> None:
    answers = [served.gateway.fetch("/mock/hello", source_ip="127.0.0.2") for _ in range(4)]

    told = [json.loads(answer.body) for answer in answers]
    assert {body["target"] for body in told} == set(served.targets)
    assert all(a["target"] != b["target"] for a, b in pairwise(told)), told
    assert {body["path"] for body in told} == {"/hello"}, "the prefix is stripped"


def test_cacheable_answer_comes_from_the_cache(served: Served) -> None:
    first, second = (served.gateway.fetch("/mock/cacheable", source_ip="127.0.0.3") for _ in range(2))

    assert (first.get("X-Cache-Status"), second.get("X-Cache-Status")) == ("Miss", "Hit")
    assert first.body == second.body
    assert first.get("X-Cache-Key") == second.get("X-Cache-Key")


def test_memory_of_a_worker(served: Served) -> None:
    (pid,) = served.gateway.worker_pids()
    assert resident_bytes(pid) < MEMORY_LIMIT_BYTES


@pytest.mark.parametrize("version", ["1.1", "2.1", "3.0"])
def test_every_format_version_loads(tmp_path: Path, version: str) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(EXAMPLE.read_text().replace('_format_version: "3.0"', f'_format_version: "{version}"'))
    with Gateway(file) as gateway:
        assert gateway.fetch("/elsewhere").status == 404


def test_demo_command_serves_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """What make run starts: gateway and targets in one command, ended by one signal."""
    *targets, proxy, admin, status = free_ports(5)
    file = tmp_path / "kong.yaml"
    file.write_text(example_with_ports(targets))
    command = [sys.executable, "-m", "dbless_gateway", "demo", "-c", str(file), "--workers", "1"]
    command += [part for port in targets for part in ("--target-port", str(port))]
    command += ["--proxy-listen", f"127.0.0.1:{proxy}", "--admin-listen", f"127.0.0.1:{admin}"]
    command += ["--status-listen", f"127.0.0.1:{status}"]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout:
        log = GatewayLog(process.stdout)
        try:
            log.wait_for("with demo targets on")
            _wait_until_serving(log, proxy)
            told = json.loads(fetch(proxy, "/mock/hello").body)
            assert told["target"] in {f"127.0.0.1:{port}" for port in targets}
            # As a terminal does it: the signal reaches the whole process group.
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(STOP_TIMEOUT_S) in (0, 130), str(log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _wait_until_serving(log: GatewayLog, port: int) -> None:
    while not log.ended:
        try:
            if fetch(port, "/elsewhere").status == 404:
                return
        except OSError:
            log.pause(0.05)
    raise AssertionError(str(log))
