"""The access log: a line for each finished request, in Kong's default format.

Lines are collected and written in one call, at the latest after ``FLUSH_INTERVAL_S``: a system call per
request would cost as much as a tenth of proxying it. Several workers append to one file; each write ends at
the end of a line, and appending writes of this size do not mix. Disk trouble loses lines and never a request.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Container
from typing import TYPE_CHECKING

from dbless_gateway.pdk.redaction import redacted_query
from dbless_gateway.server import logs

if TYPE_CHECKING:
    from dbless_gateway.proxy.exchange import Exchange

FLUSH_INTERVAL_S = 0.2
FLUSH_BYTES = 32 * 1024

# These name descriptors that we hold already; opening the path anew fails when it is a socket, as under
# systemd.
_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}

_log = logging.getLogger(__name__)


class AccessLog:
    """An open access log."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.secrets: Container[str] = frozenset()  # query arguments whose values are not written
        self._fd = _open(path)
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, exchange: Exchange) -> None:
        """Note a finished request."""
        line = _line(exchange, self.secrets)
        self._lines.append(line)
        self._size_bytes += len(line)
        if self._size_bytes >= FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL_S, self.flush)

    def flush(self) -> None:
        """Write what was collected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        data = b"".join(self._lines)
        self._lines.clear()
        self._size_bytes = 0
        if not data:
            return
        try:
            os.write(self._fd, data)
        except OSError as error:
            logs.event(_log, "error", "access log lines are lost", path=self._path, reason=error.strerror)

    def reopen(self) -> None:
        """Open the file anew, after someone has moved it."""
        self.flush()
        if self._path not in _STANDARD:
            os.close(self._fd)
            self._fd = _open(self._path)


def _open(path: str) -> int:
    if path in _STANDARD:
        return _STANDARD[path]
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _line(exchange: Exchange, secrets: Container[str]) -> bytes:
    clock = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(exchange.started_at))
    headers = exchange.headers
    request = f"{exchange.method} {_target(exchange, secrets)} HTTP/{exchange.http_version}"
    return (
        f'{exchange.client_ip} - - [{clock}] "{_safe(request)}" {exchange.status} '
        f'{exchange.response_size} "{_safe(headers.get("referer"))}" "{_safe(headers.get("user-agent"))}" '
        f'kong_request_id: "{exchange.request_id}"\n'
    ).encode()


def _target(exchange: Exchange, secrets: Container[str]) -> str:
    query = exchange.raw_query
    if query is None:
        return exchange.raw_path
    return f"{exchange.raw_path}?{redacted_query(query, secrets)}"


def _safe(text: str | None) -> str:
    """Return text that cannot end the quotes or the line; nginx escapes alike."""
    if text is None:
        return "-"
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\x{ord(c):02X}" for c in text
    )
