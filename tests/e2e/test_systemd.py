"""What systemd sees: sockets that it opened are served, its notifications come in order, our unit files hold.

Sockets are passed by the real ``systemd-socket-activate`` and unit files judged by the real
``systemd-analyze``; of ``Type=notify-reload`` and the watchdog the manager's end is played, on a socket such
as the manager's.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.config import service, write
from tests.support.doc_session import blocks
from tests.support.gateway import REPOSITORY, START_TIMEOUT_S, Gateway, GatewayLog
from tests.support.ports import free_ports
from tests.support.tls_client import trusting
from tests.support.wire import Wire

pytestmark = pytest.mark.slow

TERMINATION = {"name": "request-termination", "config": {"status_code": 200, "message": "hello"}}
# What systemd before 253 says of notify-reload, as the page tells its readers.
TOO_OLD = re.compile(r".*: Failed to parse service type, ignoring: notify-reload\n")


def program(name: str) -> str:
    """Return where one of systemd's programs is; tests that need one are skipped without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


# Sockets.


@contextmanager
def activated(folder: Path, listens: list[str], **settings: str) -> Iterator[GatewayLog]:
    """Let systemd-socket-activate listen on the addresses, and start a gateway at the first connection."""
    file = write(folder, service("127.0.0.1:1", "/", plugins=[TERMINATION]))
    settings = {"admin_listen": "off", "status_listen": "off", "workers": "2", **settings}
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
    process = subprocess.Popen(
        [
            program("systemd-socket-activate"),
            *(part for listen in listens for part in ("-l", listen)),
            *("-E", f"PYTHONPATH={REPOSITORY}"),
            *(sys.executable, "-m", "dbless_gateway", "start", "-c", str(file), *flags),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = GatewayLog(process.stdout)
    try:
        for listen in listens:
            log.wait_for(f"Listening on {re.escape(listen)}")
        yield log
        process.terminate()
        assert process.wait(START_TIMEOUT_S) == 0, str(log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()


def ask(address: tuple[str, int] | str, tls: ssl.SSLContext | None = None) -> int:
    """Return the status of an answer; the request is sent before anybody accepts."""
    sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    sock.settimeout(START_TIMEOUT_S)
    sock.connect(address)
    wire = Wire(tls.wrap_socket(sock) if tls is not None else sock)
    try:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return wire.read_response("GET").status
    finally:
        wire.close()


def test_sockets_of_every_kind_are_taken(tmp_path: Path) -> None:
    plain, secure = free_ports(2)
    path, secure_path = str(tmp_path / "p"), str(tmp_path / "s")
    proxy_listen = f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl, unix:{path}, unix:{secure_path} ssl"
    listens = [f"127.0.0.1:{plain}", f"127.0.0.1:{secure}", path, secure_path]
    anybody = trusting(None)
    with activated(tmp_path, listens, proxy_listen=proxy_listen):
        assert ask(("127.0.0.1", plain)) == 200
        assert ask(("127.0.0.1", secure), anybody) == 200
        assert ask(path) == 200
        assert ask(secure_path, anybody) == 200
    # systemd goes on listening there; a gateway that took them away would make it listen on nothing.
    assert Path(path).is_socket()
    assert Path(secure_path).is_socket()


def test_status_and_admin_sockets_are_taken(tmp_path: Path) -> None:
    proxy, admin, status = free_ports(3)
    addresses = {
        "proxy_listen": f"127.0.0.1:{proxy}",
        "admin_listen": f"127.0.0.1:{admin} ssl",
        "status_listen": f"127.0.0.1:{status}",
    }
    listens = [address.split(" ")[0] for address in addresses.values()]
    with activated(tmp_path, listens, **addresses):
        assert ask(("127.0.0.1", proxy)) == 200
        assert ask(("127.0.0.1", admin), trusting(None)) == 200
        assert ask(("127.0.0.1", status)) == 404  # The Status API has no root.


def test_a_socket_that_no_setting_names_is_told(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    path = tmp_path / "p"
    file = write(tmp_path, service("127.0.0.1:1"))
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                [
                    *(program("systemd-socket-activate"), "-l", str(path), "-E", f"PYTHONPATH={REPOSITORY}"),
                    *(sys.executable, "-m", "dbless_gateway", "start", "-c", str(file)),
                    *("--proxy-listen", f"127.0.0.1:{port}", "--admin-listen", "off"),
                    *("--status-listen", "off"),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        log = GatewayLog(process.stdout)
        log.wait_for("Listening on")
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(str(path))
        log.wait_for(rf"no \*_listen setting names what systemd listens on: {re.escape(str(path))}")
        assert process.wait(START_TIMEOUT_S) == 1
        log.close()


# Notifications.


class Manager:
    """The end of the notification socket that systemd has."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "n")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(START_TIMEOUT_S)

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def told(self) -> dict[str, str]:
        """Return the next notification that does not just feed the watchdog."""
        while True:
            told = dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())
            if told != {"WATCHDOG": "1"}:
                return told

    def wait_until_hungry(self, silence_s: float) -> None:
        """Return when nothing came for so long."""
        self._socket.settimeout(silence_s)
        with suppress(TimeoutError):
            while self._socket.recv(4096):
                pass
        self._socket.settimeout(START_TIMEOUT_S)

    def wait_until_fed(self) -> None:
        """Return when the watchdog was fed."""
        while self._socket.recv(4096) != b"WATCHDOG=1":
            pass


def test_a_service_of_type_notify_reload(tmp_path: Path) -> None:
    with Manager(tmp_path) as manager:
        environment = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "200000"}
        file = write(tmp_path, service("127.0.0.1:1"))
        with Gateway(file, environment=environment, flags=("--watch", "off"), wait=False) as gateway:
            ready = manager.told()
            assert ready.keys() == {"READY", "STATUS"}
            assert ready["STATUS"].startswith("serving ")
            assert gateway.fetch().status in (502, 503)  # It was ready indeed: nothing listens behind it.
            manager.wait_until_fed()

            write(tmp_path, service("127.0.0.1:2"))
            assert _reload(gateway, manager).startswith("reloaded: ")

            file.write_text("not: a configuration")
            assert _reload(gateway, manager).startswith("rejected: ")

            gateway.process.send_signal(signal.SIGTERM)
            assert "STOPPING" in manager.told()
            assert gateway.process.wait(START_TIMEOUT_S) == 0


def _reload(gateway: Gateway, manager: Manager) -> str:
    """Ask for a reload as systemd does; return the status that it ends with."""
    asked_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    gateway.process.send_signal(signal.SIGHUP)
    reloading = manager.told()
    assert reloading["RELOADING"] == "1"
    # systemd takes an older time for an answer to an earlier reload.
    assert int(reloading["MONOTONIC_USEC"]) >= asked_us
    ready = manager.told()
    assert ready["READY"] == "1"
    return ready["STATUS"]


def test_the_watchdog_starves_while_no_worker_answers(tmp_path: Path) -> None:
    with Manager(tmp_path) as manager:
        environment = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "200000"}
        with Gateway(write(tmp_path, service("127.0.0.1:1")), environment=environment) as gateway:
            (pid,) = gateway.worker_pids()
            os.kill(pid, signal.SIGSTOP)
            manager.wait_until_hungry(1.0)
            os.kill(pid, signal.SIGCONT)
            manager.wait_until_fed()


# Unit files.


def unit_files() -> list[str]:
    page = REPOSITORY / "docs" / "how-to" / "run-in-production.md"
    return [block.text for block in blocks(page) if block.language == "ini"]


def test_the_unit_files_of_the_documentation(tmp_path: Path) -> None:
    service_unit, socket_unit = unit_files()
    # Where the reader has installed it; verification looks whether it can be run.
    command = "/opt/dbless-gateway/bin/dbless-gateway"
    assert f"ExecStart={command} start " in service_unit
    unit = tmp_path / "dbless-gateway.service"
    unit.write_text(service_unit.replace(command, sys.executable))
    other = tmp_path / "dbless-gateway.socket"
    other.write_text(socket_unit)
    for path in (unit, other):
        verified = subprocess.run(
            [program("systemd-analyze"), "verify", "--man=no", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (verified.returncode, TOO_OLD.sub("", verified.stderr)) == (0, "")
