"""The messages between the supervisor and a worker, and how they travel over a socket pair.

A frame is a length, a kind and a body. A message is a small frozen value whose class stands in ``MESSAGES``;
its place there is the kind. Bodies are pickled tuples of the message's fields, except a slice's, which is
relayed as the bytes that the loader made. Pickle is safe here because both ends are the same program of the
same user, and nobody else can reach a socket pair.

Reading is incremental: ``FrameReader`` takes bytes in any cut. This module knows nothing of processes or
snapshots.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, cast

from dbless_gateway.config.problems import Problem
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.server.frames import BrokenStream, FrameReader, frame
from dbless_gateway.snapshot.key_pairs import KeyPair


@dataclass(frozen=True, slots=True)
class InheritedListener:
    """A listening socket that a worker got from the supervisor."""

    fd: int
    scheme: str
    port: int
    backlog: int
    proxy_protocol: bool = False


@dataclass(frozen=True, slots=True)
class Boot:
    """The first message to a worker: everything that it needs before there is a configuration."""

    index: int
    workers: int
    node_id: str
    log_level: str
    drain_timeout_s: float
    options: ProxyOptions
    dns: dict[str, Any]
    listeners: tuple[InheritedListener, ...]
    counters_fd: int
    cache_fd: int
    metrics_fd: int
    default_pairs: tuple[KeyPair, ...] = ()  # shown to clients whose server name has none; empty: no TLS


@dataclass(frozen=True, slots=True)
class Prepare:
    """A configuration follows in so many slices; compile it and keep it beside the one that serves."""

    version: int
    hash: str
    slices: int


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the configuration that was announced last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has compiled that version."""

    version: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker could not compile that version."""

    version: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Activate:
    """Serve the prepared version from now on."""

    version: int


@dataclass(frozen=True, slots=True)
class Activated:
    """That version is served; ``swap_ms`` is how long the loop was busy with the change itself."""

    version: int
    swap_ms: float
    kept: dict[str, int]  # what the swap did to the worker's state, by count


@dataclass(frozen=True, slots=True)
class Abort:
    """Forget the prepared version."""

    version: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Take what is queued, accept nothing more, finish what is in flight, end."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Stop:
    """End at once."""


@dataclass(frozen=True, slots=True)
class ReportWanted:
    """Send a report. The question is the heartbeat too: a loop that does not answer hangs."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the worker counts, as plain values."""

    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Something that one process tells all others of the node."""

    topic: str
    payload: Any


@dataclass(frozen=True, slots=True)
class LogLevel:
    """Log from this level on."""

    level: str


@dataclass(frozen=True, slots=True)
class ReopenLogs:
    """Open the log files anew: someone has moved them."""


Message = (
    Boot | Prepare | Slice | Ready | Failed | Activate | Activated | Abort | Drain | Stop
    | ReportWanted | Report | Broadcast | LogLevel | ReopenLogs
)  # fmt: skip

# The kind in a frame is the place in this table; both ends always run the same version of it.
MESSAGES: tuple[type[Message], ...] = (
    Boot, Prepare, Slice, Ready, Failed, Activate, Activated, Abort, Drain, Stop,
    ReportWanted, Report, Broadcast, LogLevel, ReopenLogs,
)  # fmt: skip
_KINDS = {message: kind for kind, message in enumerate(MESSAGES)}
_FIELDS = {message: tuple(field.name for field in fields(message)) for message in MESSAGES}


def encode(message: Message) -> bytes:
    """Return the frame of a message."""
    kind = type(message)
    if isinstance(message, Slice):
        body = message.data
    else:
        # Not astuple(): that would copy nested dataclasses into tuples.
        body = pickle.dumps(tuple(getattr(message, name) for name in _FIELDS[kind]), pickle.HIGHEST_PROTOCOL)
    return frame(_KINDS[kind], body)


def decode(kind: int, body: bytes) -> Message:
    """Return the message in a frame."""
    if kind >= len(MESSAGES):
        raise BrokenStream(f"unknown kind {kind}")
    message = MESSAGES[kind]
    if message is Slice:
        return Slice(body)
    return message(*pickle.loads(body))


class Channel(asyncio.Protocol):
    """One end of the connection between the supervisor and a worker.

    An exception out of ``on_message`` closes it and is handed to ``on_closed``; a plain end is None there.
    """

    def __init__(
        self, on_message: Callable[[Message], None], on_closed: Callable[[Exception | None], None]
    ) -> None:
        self._on_message = on_message
        self._on_closed = on_closed
        self._frames = FrameReader()
        self._transport: asyncio.WriteTransport | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether messages can still be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, message: Message) -> None:
        """Send a message; when the other end has gone this does nothing, since ``on_closed`` tells."""
        self.send_frame(encode(message))

    def send_frame(self, data: bytes) -> None:
        """Send a frame that was encoded before (once for all workers)."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection after what was sent."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none by inheritance.

    def data_received(self, data: bytes) -> None:
        for kind, body in self._frames.feed(data):
            self._on_message(decode(kind, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_closed(exc)
