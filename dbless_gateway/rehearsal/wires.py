"""Connections without sockets: transports whose far end is a function.

They behave as real ones where it matters to the gateway: nothing is written after ``close``, and
``connection_lost`` comes from the loop, never from within a call. Nobody is slow here, so buffers never fill
and pausing has no effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol


class Connection(Protocol):
    """What a transport calls; the gateway's connections are protocols by shape only."""

    def data_received(self, data: bytes) -> None: ...
    def connection_lost(self, error: Exception | None) -> None: ...


class Wire(asyncio.Transport):
    """The gateway's end of a connection; ``received`` is the far end, told of each write and of the end."""

    def __init__(
        self,
        connection: Connection,
        received: Callable[[bytes | None], None],
        extra: dict[str, Any],
    ) -> None:
        super().__init__(extra)
        self._connection = connection
        self._received = received
        self._is_closing = False

    def deliver(self, data: bytes) -> None:
        """Send bytes to the gateway, in one piece."""
        if not self._is_closing:
            self._connection.data_received(data)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Hand bytes to the far end."""
        if not self._is_closing:
            self._received(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def pause_reading(self) -> None:
        """What was sent has arrived already."""

    def resume_reading(self) -> None:
        """See ``pause_reading``."""

    def is_closing(self) -> bool:
        """Tell whether either end has closed."""
        return self._is_closing

    def close(self) -> None:
        """Close in order."""
        if not self._is_closing:
            self._is_closing = True
            self._received(None)
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def abort(self) -> None:
        """Close; there is nothing unsent to lose."""
        self.close()


class TlsSession:
    """What TLS would have agreed on: the shape of ``ssl.SSLObject`` that the gateway looks at."""

    def __init__(self, server_name: str | None) -> None:
        self.gateway_sni = server_name

    def version(self) -> str:
        """Return the protocol's version."""
        return "TLSv1.3"

    def cipher(self) -> tuple[str, str, int]:
        """Return the cipher that most clients get."""
        return ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)

    def getpeercert(self) -> dict[str, object] | None:
        """Return nothing: clients here have no certificate."""
        return None
