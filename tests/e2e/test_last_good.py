"""A restart with a broken file serves what was served last, and everybody who asks is told so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.client import fetch
from tests.support.config import document, service
from tests.support.gateway import REPOSITORY, Gateway
from tests.support.origin import Origin

pytestmark = pytest.mark.slow

EXIT_INVALID = 78
BROKEN = '_format_version: "3.0"\nservices:\n- name: a\n  prot: x\n'


def command(gateway: Gateway, name: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours against the gateway."""
    admin = ("--admin", f"http://127.0.0.1:{gateway.admin_port}")
    return subprocess.run(
        [sys.executable, "-m", "dbless_gateway", name, *admin],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def readiness(gateway: Gateway) -> tuple[int, object]:
    """Return what an orchestrator is told."""
    answer = fetch(gateway.status_port, "/status/ready")
    return answer.status, json.loads(answer.body)


def start(file: Path, *, wait: bool = True) -> Gateway:
    environment = {"KONG_STATE_FOLDER": str(file.parent / "state")}
    flags = ("--watch", "off", "--on-invalid", "last-good")
    return Gateway(file, environment=environment, flags=flags, wait=wait)


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_it_is_served_until_the_file_is_repaired(tmp_path: Path, is_killed: bool) -> None:
    file = tmp_path / "kong.yaml"
    with Origin() as origin:
        file.write_text(document(service(origin.address, "/first")))
        with start(file) as gateway:
            file.write_text(document(service(origin.address, "/last")))
            assert command(gateway, "reload").returncode == 0
            assert readiness(gateway) == (200, {"message": "ready"})
            file.write_text(BROKEN)
            assert command(gateway, "reload").returncode == 1
            if is_killed:
                gateway.kill()
        with start(file) as gateway:
            assert any(line.startswith(f"{file}:4:3: error[") for line in gateway.log.lines)
            assert gateway.fetch("/last").status == 200
            assert readiness(gateway) == (200, {"message": "ready", "configuration": "last-good"})
            assert "the last good one, since the files are invalid" in command(gateway, "status").stdout
            assert command(gateway, "reload").returncode == 1, "still broken"
            assert readiness(gateway)[1] == {"message": "ready", "configuration": "last-good"}
            file.write_text(document(service(origin.address, "/repaired")))
            assert command(gateway, "reload").returncode == 0
            assert gateway.fetch("/repaired").status == 200
            assert gateway.fetch("/last").status == 404
            assert readiness(gateway) == (200, {"message": "ready"})
            assert "last good" not in command(gateway, "status").stdout


def test_without_one_the_start_fails(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(BROKEN)
    with start(file, wait=False) as gateway:
        assert gateway.process.wait(60) == EXIT_INVALID


def test_a_file_that_is_again_what_it_was_is_the_configuration(tmp_path: Path) -> None:
    """Nothing changes for requests then, but nobody shall look for a broken file that is none."""
    file = tmp_path / "kong.yaml"
    with Origin() as origin:
        good = document(service(origin.address, "/last"))
        file.write_text(good)
        with start(file):
            pass
        file.write_text(BROKEN)
        with start(file) as gateway:
            assert readiness(gateway)[1] == {"message": "ready", "configuration": "last-good"}
            file.write_text(good)
            assert command(gateway, "reload").stdout.startswith("unchanged: ")
            assert readiness(gateway)[1] == {"message": "ready"}
