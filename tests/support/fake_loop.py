"""An event loop whose time only a test moves, and transports without sockets.

``FakeLoop`` runs callbacks, timers and tasks one after the other in the calling thread, until nothing is
left to do *now*. It never waits: ``pass_time`` moves its clock from timer to timer. An exception that gets
out of a callback is raised at once in the test, because in a real loop it would have killed a connection.

``FakeTransport`` behaves as the real ones do where it matters: a full buffer calls ``pause_writing`` from
within ``write``, a paused reader gets its bytes later, ``close`` sends what is unsent first, ``abort`` does
not, and ``connection_lost`` comes from the loop, never from within a call. What a protocol may not do (to
write after ``close`` is lost, to touch a transport after ``connection_lost`` is a fault) shows here, too.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol, cast

# A test whose callbacks call each other without end must fail, not hang.
_TURNS_MAX = 100_000


class Connection(Protocol):
    """What a transport calls; the gateway's connections are protocols by shape only."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, error: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Dial:
    """One attempt of the gateway to connect somewhere; it stays open until the test decides."""

    def __init__(self, make: Callable[[], Connection], host: str, port: int, tls: dict[str, Any]) -> None:
        self.make = make
        self.address = (host, port)
        self.tls = tls
        self.outcome: asyncio.Future[tuple[FakeTransport, Connection]] | None = None

    @property
    def is_given_up(self) -> bool:
        """Tell whether the gateway no longer waits for it."""
        return self.outcome is None or self.outcome.cancelled()


class FakeLoop:
    """See the module. Connections that the gateway dials wait in ``dials``.

    Only what the gateway uses of a loop is here, so this is an event loop by shape: see ``as_loop``.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.dials: deque[Dial] = deque()
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self._failure: BaseException | None = None

    # ---- For tests

    @property
    def as_loop(self) -> asyncio.AbstractEventLoop:
        """Return the same object under the type that asyncio asks for."""
        return cast(asyncio.AbstractEventLoop, self)

    def run(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Call something from within the loop, and then whatever that causes."""
        self.call_soon(call, *arguments)
        self.settle()

    def settle(self) -> None:
        """Run everything that is to be done now."""
        asyncio._set_running_loop(self.as_loop)
        try:
            for _ in range(_TURNS_MAX):
                if not self._ready:
                    return
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
                if self._failure is not None:
                    failure, self._failure = self._failure, None
                    raise failure
            raise AssertionError("the callbacks do not come to an end")
        finally:
            asyncio._set_running_loop(None)

    def pass_time(self, seconds: float) -> None:
        """Move the clock, running each timer at its moment."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, handle = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            self._ready.append(handle)
            self.settle()
        self.now = end

    # ---- What the gateway uses of a loop

    def time(self) -> float:
        return self.now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self.as_loop, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self.now + delay, callback, args, self.as_loop, context)
        self._timer_count += 1
        heapq.heappush(self._timers, (self.now + delay, self._timer_count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to do: a cancelled handle does not run."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self.as_loop)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> Any:
        return asyncio.Task(coro, loop=self.as_loop, name=name)

    async def create_connection(self, protocol_factory: Any, host: Any, port: Any, **tls: Any) -> Any:
        dial = Dial(protocol_factory, host, port, tls)
        dial.outcome = self.create_future()
        self.dials.append(dial)
        return await dial.outcome

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self._failure = context.get("exception") or AssertionError(context["message"])


class FakeTransport(asyncio.Transport):
    """The gateway's end of a connection. The far end is the test: see the methods below the line."""

    def __init__(self, loop: FakeLoop, connection: Connection, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self.loop = loop
        self.connection = connection
        self.sent = bytearray()  # what has arrived at the far end, and was not read by the test yet
        self.writes = 0
        self.is_paused = False
        self.is_lost = False
        self.was_aborted = False
        self._incoming: deque[bytes] = deque()
        self._unsent = bytearray()
        self._is_full = False
        self._far_end_reads = True
        self._is_closing = False
        self._high_water_bytes = 64 * 1024

    # ---- Called by the gateway

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._assert_alive()
        if self._is_closing:
            return
        self.writes += 1
        if self._far_end_reads:
            self.sent += data
            return
        self._unsent += data
        if len(self._unsent) > self._high_water_bytes and not self._is_full:
            self._is_full = True
            self.connection.pause_writing()

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_water_bytes = high or 0

    def pause_reading(self) -> None:
        self._assert_alive()
        self.is_paused = True

    def resume_reading(self) -> None:
        self._assert_alive()
        self.is_paused = False
        self.loop.call_soon(self._deliver)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True
        if not self._unsent:
            self._lose(None)

    def abort(self) -> None:
        self._is_closing = True
        self.was_aborted = True
        self._unsent.clear()
        self._lose(None)

    # ---- Called by the test: what the far end does

    def deliver(self, data: bytes) -> None:
        """Send bytes to the gateway, in one piece."""
        self._incoming.append(data)
        self.loop.run(self._deliver)

    def finish(self) -> None:
        """Close in order, as with FIN."""
        self.loop.run(self._receive_eof)

    def break_down(self) -> None:
        """Close without order, as with RST."""
        self.loop.run(self._lose, ConnectionResetError("Connection reset by peer"))

    def stop_reading(self) -> None:
        """Let the gateway's bytes wait."""
        self._far_end_reads = False

    def read_again(self) -> None:
        """Take what has waited, and what comes."""
        self._far_end_reads = True
        self.loop.run(self._flush)

    def _flush(self) -> None:
        self.sent += self._unsent
        self._unsent.clear()
        if self._is_closing:
            self._lose(None)
        elif self._is_full:
            self._is_full = False
            self.connection.resume_writing()

    def _deliver(self) -> None:
        while self._incoming and not self.is_paused and not self._is_closing and not self.is_lost:
            self.connection.data_received(self._incoming.popleft())

    def _receive_eof(self) -> None:
        if not self._is_closing and not self.connection.eof_received():
            self.close()

    def _lose(self, error: Exception | None) -> None:
        self._is_closing = True
        self.loop.call_soon(self._tell_lost, error)

    def _tell_lost(self, error: Exception | None) -> None:
        if not self.is_lost:
            self.is_lost = True
            self.connection.connection_lost(error)

    def _assert_alive(self) -> None:
        assert not self.is_lost, "a transport was used after connection_lost"
