"""Starts ``standin_node`` for a test: a real supervisor and real workers, without the data plane."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.client import fetch
from tests.support.gateway import REPOSITORY, GatewayLog

STOP_TIMEOUT_S = 20.0


class Node:
    """A running node; a context manager. ``serve`` writes its configuration."""

    def __init__(self, folder: Path, *, workers: int = 2, wait: bool = True, **settings: str) -> None:
        self.file = folder / "conf.json"
        self.port = self.admin_port = self.status_port = 0  # known when it listens
        self.settings = {
            "proxy_listen": "127.0.0.1:0 reuseport",
            "admin_listen": "127.0.0.1:0",
            "status_listen": "127.0.0.1:0",
            "nginx_worker_processes": str(workers),
            "log_level": "info",
            **settings,
        }
        self.wait = wait

    def serve(self, **value: Any) -> None:
        fresh = self.file.with_name("fresh")
        fresh.write_text(json.dumps(value))
        fresh.replace(self.file)

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.unit.server.standin_node", str(self.file)),
                *(f"{name}={value}" for name, value in self.settings.items()),
            ],
            cwd=REPOSITORY,
            env=dict(os.environ) | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log = GatewayLog(self.process.stdout)
        if self.wait:
            self.log.wait_for(r"\] \d+: started ")
            self.note_ports()
        return self

    def note_ports(self) -> None:
        """Wait until it listens, and remember where."""
        line = self.log.wait_for(": listening ")
        ports = {name: int(port) for name, port in re.findall(r"(\w+)=127\.0\.0\.1:(\d+)", line)}
        self.port, self.admin_port, self.status_port = (ports[name] for name in ("proxy", "admin", "status"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"The node's log:\n{self.log}")
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def ask(self, target: str = "/") -> list[str]:
        """Send a request; return configuration's answer, pid, slot and what the worker heard on the bus."""
        return fetch(self.port, target).body.decode().split(" ")

    def connect(self, target: str) -> socket.socket:
        """Send a request and return the connection on which its answer will come."""
        sock = socket.create_connection(("127.0.0.1", self.port), STOP_TIMEOUT_S)
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return sock

    def workers(self) -> dict[int, dict[str, Any]]:
        status = json.loads(fetch(self.admin_port, "/status").body)
        return {worker["index"]: worker for worker in status["workers"]}

    def ready(self) -> tuple[int, str]:
        response = fetch(self.status_port, "/status/ready")
        return response.status, json.loads(response.body)["message"]

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(STOP_TIMEOUT_S)
