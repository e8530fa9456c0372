"""Telling systemd how the service does: ``Type=notify`` and ``Type=notify-reload``, and its watchdog.

The protocol is a datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names. Without that
variable nobody asked, and everything here does nothing. Trouble with the socket is not ours to handle: a
manager that does not listen notices the silence.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress


class ServiceManager:
    """The manager that started this process, if there is one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL byte of Linux's abstract addresses.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = int(environ.get("WATCHDOG_USEC") or 0) / 1_000_000

    def ready(self, status: str) -> None:
        """Tell that requests are served; also ends a reload."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Tell that a reload begins; systemd compares the time with that of its own request."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._send("STOPPING=1", "STATUS=finishing what is in flight")

    async def keep_alive(self, is_alive: Callable[[], bool]) -> None:
        """Feed the watchdog as long as ``is_alive`` says so; systemd restarts a service that does not."""
        while self._watchdog_s > 0:
            if is_alive():
                self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 2)

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock,
        ):
            sock.sendto("\n".join(lines).encode(), self._address)
