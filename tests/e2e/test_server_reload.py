"""Every way in which a configuration changes under a running gateway."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.config import document, service
from tests.support.gateway import REPOSITORY, Gateway, write_atomically
from tests.support.origin import Origin

pytestmark = pytest.mark.slow

# What "live within a second" allows; generous here, because a loaded machine runs several suites.
LIVE_S = 10.0


def command(gateway: Gateway, name: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours against the gateway."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "dbless_gateway", name),
            *("--admin", f"http://127.0.0.1:{gateway.admin_port}"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_file_that_is_gone_changes_nothing_until_it_is_back(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    with Origin() as origin:
        file.write_text(document(service(origin.address, "/old")))
        with Gateway(file) as gateway:
            previous = gateway.status()["configuration_hash"]
            file.unlink()
            assert gateway.fetch("/old").status == 200
            file.write_text(document(service(origin.address, "/new")))
            gateway.wait_for_configuration(previous)
            assert gateway.fetch("/new").status == 200


def test_the_reload_command_returns_when_all_serve(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    with Origin() as origin:
        file.write_text(document(service(origin.address, "/old")))
        with Gateway(file, workers=2, flags=("--watch", "off")) as gateway:
            assert command(gateway, "reload").stdout.startswith("unchanged: ")
            file.write_text(document(service(origin.address, "/new")))
            ended = command(gateway, "reload")
            assert (ended.returncode, ended.stdout.split(":")[0]) == (0, "reloaded")
            assert {gateway.fetch("/new").status for _ in range(20)} == {200}
            file.write_text("services: nonsense\n")
            ended = command(gateway, "reload")
            assert ended.returncode == 1
            assert f"{file}:1:" in ended.stderr
            assert gateway.fetch("/new").status == 200
            status = command(gateway, "status")
            assert status.returncode == 0
            assert "rejected" in status.stdout
        assert command(gateway, "reload").returncode == 4


def test_a_hangup_reloads(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    with Origin() as origin:
        file.write_text(document(service(origin.address, "/old")))
        with Gateway(file, flags=("--watch", "off")) as gateway:
            file.write_text(document(service(origin.address, "/new")))
            gateway.process.send_signal(signal.SIGHUP)
            gateway.log.wait_for(": reloaded ")
            assert gateway.fetch("/new").status == 200


def test_an_edit_is_live_soon(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    with Origin() as origin:
        file.write_text(document(service(origin.address, "/old")))
        with Gateway(file) as gateway:
            write_atomically(file, document(service(origin.address, "/new")))
            began = time.monotonic()
            while gateway.fetch("/new").status != 200:
                assert time.monotonic() - began < LIVE_S


def test_a_download_goes_on_across_a_reload(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    with Origin() as origin:
        file.write_text(document(service(origin.address, "/old")))
        with Gateway(file) as gateway, gateway.connect() as client:

            def halves(connection: object) -> None:
                connection.receive()  # type: ignore[attr-defined]
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")  # type: ignore[attr-defined]
                gateway.wait_for_configuration(previous)
                connection.send(b"other")  # type: ignore[attr-defined]

            origin.script = halves
            previous = gateway.status()["configuration_hash"]
            client.send(b"GET /old HTTP/1.1\r\nHost: x\r\n\r\n")
            origin.next_request()
            write_atomically(file, document(service(origin.address, "/new")))
            assert client.read_response().body == b"firstother"


def test_memory_and_descriptors_stay_flat_over_reloads(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    with Origin() as origin:
        texts = [document(*(service(origin.address, f"/{n}-{i}") for n in range(300))) for i in range(2)]
        file.write_text(texts[0])
        with Gateway(file, flags=("--watch", "off")) as gateway:
            (pid,) = gateway.worker_pids()
            used = []
            for round_number in range(1, 13):
                file.write_text(texts[round_number % 2])
                assert command(gateway, "reload").returncode == 0
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                used.append((resident, len(os.listdir(f"/proc/{pid}/fd"))))
            assert used[-1][0] <= used[4][0] * 1.02
            assert used[-1][1] == used[4][1]
