"""A target whose every byte is under a test's control.

An ``Origin`` listens on a free loopback port and runs its *script* once per request, in a thread per
connection. A script gets the connection and does what it likes with it: read the request, answer fast,
slowly, wrongly or not at all. The script is looked up when a request's first byte is there, so a test can
change it while connections are open. What arrived is kept in ``requests``, in order of arrival. An
exception in a script, other than the peer's going away, is raised when the origin is closed.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.wire import TIMEOUT_S, ConnectionClosed, Request, Wire

Script = Callable[["OriginConnection"], None]


class OriginConnection(Wire):
    """One connection from the gateway; ``number`` counts the connections of this origin from 0."""

    def __init__(self, sock: socket.socket, origin: Origin, number: int) -> None:
        super().__init__(sock)
        self.origin = origin
        self.number = number
        self.closed = False
        self.finished = threading.Event()

    def receive(self) -> Request:
        """Read a whole request and note it."""
        request = self.read_request()
        self.origin.note(request)
        return request

    def receive_head(self) -> Request:
        """Read a request up to its body and note it; the script reads the body itself."""
        head = self.read_head()
        request = Request(raw=head.raw, start_line=head.start_line, headers=head.headers)
        self.origin.note(request)
        return request

    def answer(
        self, body: bytes = b"", status: str = "200 OK", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Send a complete response with Content-Length."""
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
        lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def close(self) -> None:
        self.closed = True
        super().close()

    def reset(self) -> None:
        self.closed = True
        super().reset()

    def wait_for_bytes(self) -> bool:
        """Wait, as long as it takes, for the next request to begin; False when the gateway closed instead."""
        self.socket.settimeout(None)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        finally:
            self.socket.settimeout(TIMEOUT_S)


class Origin:
    """A scripted target; a context manager."""

    def __init__(self, script: Script | None = None, name: str = "origin") -> None:
        self.name = name
        self.script = script or answer_with_name
        self.on_connect: Script | None = None  # Runs before the first request of a connection.
        self.requests: list[Request] = []
        self.connection_count = 0
        self._arrivals: queue.Queue[Request] = queue.Queue()
        self._errors: list[BaseException] = []
        self._connections: list[OriginConnection] = []
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name=name, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._errors and error is None:
            raise self._errors[0]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start_over(self) -> None:
        """Forget requests and scripts; connections stay."""
        self.script, self.on_connect = answer_with_name, None
        self.requests.clear()
        self._arrivals = queue.Queue()

    def retire_connections(self) -> None:
        """End all idle connections, and wait until the gateway has closed its side of them, too."""
        for connection in self._connections:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_WR)
        for connection in self._connections:
            assert connection.finished.wait(TIMEOUT_S), "the gateway keeps a connection that has ended"
        self._connections.clear()

    def drop_connections(self) -> None:
        """Close every connection, as a restarting target would."""
        for connection in self._connections:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def note(self, request: Request) -> None:
        self.requests.append(request)
        self._arrivals.put(request)

    def next_request(self) -> Request:
        """Wait for a request that this method has not returned yet."""
        return self._arrivals.get(timeout=TIMEOUT_S)

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open stay."""
        self._closing = True
        # A plain close would not wake the thread in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        if not self._closing:
            self.stop_listening()
        self.drop_connections()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            connection = OriginConnection(sock, self, self.connection_count)
            self.connection_count += 1
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: OriginConnection) -> None:
        try:
            if self.on_connect is not None:
                self.on_connect(connection)
            while not connection.closed and connection.wait_for_bytes():
                self.script(connection)
        except (ConnectionClosed, OSError):
            pass
        except Exception as error:  # noqa: BLE001 - kept for the test's thread, where it can fail the test
            self._errors.append(error)
        finally:
            if not connection.closed:
                connection.close()
            connection.finished.set()


def answer_with_name(connection: OriginConnection) -> None:
    """Answer every request with the origin's name."""
    connection.receive()
    connection.answer(connection.origin.name.encode(), headers=(("Content-Type", "text/plain"),))
