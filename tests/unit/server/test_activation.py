from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dbless_gateway.server.activation import PassedSockets
from dbless_gateway.server.listen import Listen
from dbless_gateway.server.listeners import bind_all
from tests.support.config import document, service
from tests.support.gateway import REPOSITORY, START_TIMEOUT_S, GatewayLog


def test_nothing_is_taken_that_is_meant_for_another_process() -> None:
    assert PassedSockets.of({"LISTEN_PID": "1", "LISTEN_FDS": "3"}).left() == []
    assert PassedSockets.of({}).left() == []


def test_a_passed_socket_is_used_for_its_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = ours.getsockname()[1]
        fd = os.dup(ours.fileno())
        passed = PassedSockets.of({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, first_fd=fd)
        assert passed.left() == [f"127.0.0.1:{port}"]
        (listener,) = bind_all([Listen("127.0.0.1", port, reuseport=True)], 2, passed)
        assert [sock.fileno() for sock in listener.sockets] == [fd]
        assert (listener.address, listener.port) == (f"127.0.0.1:{port}", port)
        assert passed.left() == []
        assert not os.get_inheritable(fd)
        listener.close()


def test_a_passed_path_is_used_and_stays(tmp_path: Path) -> None:
    path = str(tmp_path / "g.sock")
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(path)
        fd = os.dup(ours.fileno())
        passed = PassedSockets.of({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, first_fd=fd)
        (listener,) = bind_all([Listen("", 0, path, ssl=True)], 2, passed)
        assert [sock.fileno() for sock in listener.sockets] == [fd]
        assert (listener.address, listener.port) == (f"unix:{path}", 443)
        listener.close()
        assert os.path.exists(path)


@pytest.mark.slow
def test_clients_wait_in_the_queue_while_no_gateway_runs(tmp_path: Path) -> None:
    """What systemd does: it listens, a client connects, and only then the gateway starts."""
    file = tmp_path / "kong.yaml"
    termination = {"name": "request-termination", "config": {"status_code": 200, "message": "hello"}}
    file.write_text(document(service("127.0.0.1:1", "/", plugins=[termination])))
    with socket.create_server(("127.0.0.1", 0)) as ours, socket.socket() as early:
        port = ours.getsockname()[1]
        early.settimeout(START_TIMEOUT_S)
        early.connect(("127.0.0.1", port))
        early.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        process = _start(file, ours, f"127.0.0.1:{port}")
        log = GatewayLog(process.stdout)
        try:
            answer = b"".join(iter(lambda: early.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200 "), f"{answer!r}\n{log}"
        finally:
            process.terminate()
            assert process.wait(START_TIMEOUT_S) == 0, str(log)
            log.close()


def test_a_socket_that_no_setting_names_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(document(service("127.0.0.1:1", "/")))
    with socket.create_server(("127.0.0.1", 0)) as ours:
        process = _start(file, ours, "127.0.0.1:0")
        out, _ = process.communicate(timeout=START_TIMEOUT_S)
    assert process.returncode == 1
    assert "no *_listen setting names what systemd listens on" in out


# Puts the socket where systemd does, and keeps its process id for the gateway.
_PASS = """
import os, sys
if int(sys.argv[1]) != 3:
    os.dup2(int(sys.argv[1]), 3)
os.execve(sys.argv[2], sys.argv[2:], os.environ | {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
"""


def _start(file: Path, passed: socket.socket, proxy_listen: str) -> subprocess.Popen[str]:
    settings = {"PROXY_LISTEN": proxy_listen, "ADMIN_LISTEN": "off", "STATUS_LISTEN": "off"}
    command = [sys.executable, "-m", "dbless_gateway", "start", "-c", str(file), "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, "-c", _PASS, str(passed.fileno()), *command],
        cwd=REPOSITORY,
        env=dict(os.environ) | {f"KONG_{name}": value for name, value in settings.items()},
        pass_fds=(passed.fileno(),),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
