"""What a pod lives through: its ConfigMap is swapped as the kubelet does it, and its end comes in order."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client, fetch
from tests.support.config import document, service
from tests.support.gateway import START_TIMEOUT_S, Gateway
from tests.support.load import SteadyLoad
from tests.support.origin import Origin, OriginConnection
from tests.support.wire import ConnectionClosed

pytestmark = pytest.mark.slow


class ConfigMapVolume:
    """A mounted ConfigMap, written step by step as the kubelet's atomic writer does."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        self.file = folder / "kong.yaml"
        self._serial = 0
        folder.mkdir()
        self._current = self._write(text)
        (folder / "..data").symlink_to(self._current.name)
        self.file.symlink_to("..data/kong.yaml")

    def _write(self, text: str) -> Path:
        self._serial += 1
        fresh = self.folder / f"..2026_11_20_12_00_00.{self._serial}"
        fresh.mkdir()
        (fresh / "kong.yaml").write_text(text)
        return fresh

    def begin(self, text: str) -> None:
        """Write the new content into a folder of its own, and the link that will be renamed."""
        self._former, self._current = self._current, self._write(text)
        (self.folder / "..data_tmp").symlink_to(self._current.name)

    def swap(self) -> None:
        """Let all files be the new ones at once."""
        (self.folder / "..data_tmp").replace(self.folder / "..data")

    def finish(self) -> None:
        """Remove what was there before."""
        shutil.rmtree(self._former)


def configuration(tag: str) -> str:
    termination = {"name": "request-termination", "config": {"status_code": 200, "message": tag}}
    return document(service("127.0.0.1:1", plugins=[termination]))


def message(gateway: Gateway) -> str:
    return str(json.loads(gateway.fetch().body)["message"])


def loads(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = gateway.status()["configuration"]["loads"]
    return found


def test_a_configmap_is_swapped(tmp_path: Path) -> None:
    volume = ConfigMapVolume(tmp_path / "config", configuration("first"))
    with (
        Gateway(volume.file, workers=2) as gateway,
        SteadyLoad(gateway.port, "/", lambda response: response.status, clients=2, pause_s=0.01) as load,
    ):
        for tag in ("second", "third"):
            before = gateway.status()["configuration_hash"]
            volume.begin(configuration(tag))
            assert gateway.status()["configuration_hash"] == before
            volume.swap()
            gateway.wait_for_configuration(before)
            assert message(gateway) == tag
            volume.finish()
        assert message(gateway) == "third"
        # Neither the folder that appears nor the one that goes is a change.
        assert loads(gateway)["succeeded"] == 3
    assert load.failures == []
    assert {status for seen in load.observations for status in seen} == {200}


def test_a_configmap_with_mistakes_changes_nothing(tmp_path: Path) -> None:
    volume = ConfigMapVolume(tmp_path / "config", configuration("good"))
    with Gateway(volume.file) as gateway:
        volume.begin("services: none")
        volume.swap()
        gateway.log.wait_for("rejected: the old configuration goes on serving")
        volume.finish()
        assert message(gateway) == "good"
        before, logged = gateway.status()["configuration_hash"], len(gateway.log.lines)
        volume.begin(configuration("repaired"))
        volume.swap()
        volume.finish()
        gateway.wait_for_configuration(before)
        assert message(gateway) == "repaired"
        assert not any("rejected" in line for line in gateway.log.lines[logged:])


class Slow:
    """A target that answers ``/soon`` when it is told to, and ``/never`` not at all."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.may_answer = threading.Event()

    def __call__(self, connection: OriginConnection) -> None:
        path = connection.receive().start_line.split(" ")[1]
        if path in ("/soon", "/never"):
            self.arrived.release()
        if path == "/never":
            connection.wait_for_bytes()  # Until the gateway gives up.
            return
        if path == "/soon":
            assert self.may_answer.wait(START_TIMEOUT_S)
        connection.answer(b"here")


def test_the_end_of_a_pod(tmp_path: Path) -> None:
    """Readiness off, serve on, stop accepting, finish, deadline: the order that the page promises."""
    slow = Slow()
    file = tmp_path / "kong.yaml"
    flags = ("--drain-delay", "3s", "--drain-timeout", "4s")
    with Origin(slow) as origin:
        file.write_text(document(service(origin.address)))
        with (
            Gateway(file, flags=flags) as gateway,
            gateway.connect() as soon,
            gateway.connect() as never,
            gateway.connect() as idle,
        ):
            assert idle.request().status == 200
            for client, path in ((soon, "/soon"), (never, "/never")):
                client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert slow.arrived.acquire(timeout=START_TIMEOUT_S)

            gateway.process.send_signal(signal.SIGTERM)
            gateway.log.wait_for(": stopping ")
            # 1. Not ready, and serving as before, on connections old and new.
            ready = fetch(gateway.status_port, "/status/ready")
            assert (ready.status, json.loads(ready.body)) == (503, {"message": "draining"})
            assert gateway.fetch().status == 200
            assert idle.request().get("Connection") == "keep-alive"

            # 2. Idle connections are closed, and nobody is accepted.
            assert idle.is_closed_by_peer()
            wait_until_refused(gateway)

            # 3. What is under way is finished and told that its connection ends; probes go on.
            assert fetch(gateway.status_port, "/status/ready").status == 503
            slow.may_answer.set()
            answer = soon.read_response("GET")
            assert (answer.status, answer.body, answer.get("Connection")) == (200, b"here", "close")

            # 4. What takes longer is cut, and the log says so.
            with pytest.raises(ConnectionClosed):
                never.read_response("GET")
            gateway.log.wait_for("requests in flight are cut: the drain timeout is over")
            assert gateway.process.wait(START_TIMEOUT_S) == 0


def wait_until_refused(gateway: Gateway) -> None:
    """Return when the gateway's port takes no connection any more."""
    while True:
        try:
            Client(gateway.port).close()
        except ConnectionRefusedError:
            return
        gateway.log.pause(0.05)
