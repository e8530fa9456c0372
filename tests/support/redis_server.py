"""A real Redis on a loopback port of its own, without files."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_redis(port: int | None = None, pem: Path | None = None) -> Iterator[int]:
    """Run a server and yield its port, with TLS when there is a key with a certificate.

    Tests that need one are skipped where it is not installed.
    """
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = port or free_port()
    kind = "--port" if pem is None else "--tls-port"
    command = [program, kind, str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    if pem is not None:
        command += ["--port", "0", "--tls-cert-file", str(pem), "--tls-key-file", str(pem)]
        command += ["--tls-auth-clients", "no"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            for line in server.stdout:
                if b"Ready to accept connections" in line:
                    break
            yield port
        finally:
            server.terminate()


def direct(port: int, database: int = 0) -> redis.Redis:
    """Return a client to look behind the scenes; closing it is the caller's."""
    return redis.Redis(host="127.0.0.1", port=port, db=database)
