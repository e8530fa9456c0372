"""Free ports for servers that must be told theirs, such that no two tests ever get the same one.

A port is claimed by locking its byte in one file that all test runs of a user share. The kernel gives the claim
back when the process ends, however it ends. Within a process a port comes back after hundreds of others.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from collections import deque
from pathlib import Path

# Below are the well-known ports.
FIRST_PORT = 10_000
_LAST_PORT = 65_535
# A run with all tests takes thousands, and several runs share some 20,000: so the oldest claims are given back,
# long after their tests have ended.
MAX_CLAIMS = 500
# Far more than it takes while one port in a hundred is free.
_ATTEMPTS = 10_000


class PortClaims:
    """The claims of this process."""

    def __init__(self, file: Path) -> None:
        # Closing any descriptor of the file would give all claims back, so this one stays open to the end.
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._claimed: deque[int] = deque()
        # Several test runs at a time must not pick alike.
        self._random = random.SystemRandom()

    def claim(self, count: int) -> list[int]:
        """Return ports that nobody listens on and that nobody else is told.

        They lie below the range from which the kernel takes the ports of outgoing connections: one of these
        could take the port before the gateway does, and a client that asks a port of that range again and
        again until somebody listens would some day be connected to itself.
        """
        ports: list[int] = []
        last = _last_quiet_port()
        for _ in range(_ATTEMPTS):
            if len(ports) == count:
                return ports
            port = self._random.randint(FIRST_PORT, last)
            if self._lock(port) and _is_free(port):
                ports.append(port)
        raise AssertionError(f"no {count} free ports between {FIRST_PORT} and {last}")

    def _lock(self, port: int) -> bool:
        # The kernel's locks do not keep a process from its own bytes.
        if port in self._claimed:
            return False
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        self._claimed.append(port)
        if len(self._claimed) > MAX_CLAIMS:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, self._claimed.popleft())
        return True


_CLAIMS = PortClaims(Path(tempfile.gettempdir()) / f"dbless-gateway-test-ports-{os.getuid()}")


def free_ports(count: int) -> list[int]:
    """Return ports that are this process's alone until it ends."""
    return _CLAIMS.claim(count)


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _last_quiet_port() -> int:
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    # Where the kernel hands out nearly all of them there is no quiet range.
    return first_ephemeral - 1 if first_ephemeral > 2 * FIRST_PORT else _LAST_PORT
