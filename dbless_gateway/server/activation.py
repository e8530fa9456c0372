"""Listening sockets that systemd has opened for us (socket activation).

The protocol: ``LISTEN_FDS`` sockets stand from descriptor 3 on, meant for the process ``LISTEN_PID``. Which
one serves which purpose is told by its address (a path, for a unix socket): the settings go on saying what is
listened on and how (``ssl``), and a socket that was passed for one of their addresses is used instead of a new
one. Such a socket queues connections while no gateway runs, so even a restart refuses nobody.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

FIRST_FD = 3

Place = tuple[int, str, int]


class PassedSockets:
    """The sockets that were passed and not yet taken."""

    def __init__(self, sockets: Mapping[Place, socket.socket] | None = None) -> None:
        self._sockets = dict(sockets or {})

    @classmethod
    def of(cls, environ: Mapping[str, str], first_fd: int = FIRST_FD) -> PassedSockets:
        """Take over the sockets that the environment tells of."""
        if environ.get("LISTEN_PID") != str(os.getpid()):
            return cls()
        found: dict[Place, socket.socket] = {}
        for fd in range(first_fd, first_fd + int(environ.get("LISTEN_FDS") or 0)):
            sock = socket.socket(fileno=fd)
            # Workers get those that they serve, by name; nobody else shall hold them open.
            sock.set_inheritable(False)
            sock.setblocking(False)
            found[_place(sock)] = sock
        return cls(found)

    def take(self, family: int, host: str, port: int = 0) -> socket.socket | None:
        """Return the socket of this address, if there is one; the host of a unix socket is its path."""
        return self._sockets.pop((int(family), host, port), None)

    def left(self) -> list[str]:
        """Return the addresses that nobody took."""
        return [f"{host}:{port}" if port else host for _, host, port in self._sockets]

    def close(self) -> None:
        """Close what nobody took."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()


def _place(sock: socket.socket) -> Place:
    name = sock.getsockname()
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        return int(sock.family), name[0], name[1]
    return int(sock.family), str(name), 0
