"""A small HTTP client for what plugins send in the background: a request at a time on a connection, one of
which is kept.

It knows what log servers and collectors need and nothing else: a whole body out, a status and a short body
in. It waits, so only queues call it. A kept connection that turns out to be closed is replaced once, by a
new one.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic
from urllib.parse import unquote, urlsplit

import httptools

from dbless_gateway.config.records import dataclass
from dbless_gateway.pdk.senders import unverified_context

# What is kept of an answer's body unless the caller reads it: enough for the log.
_MAX_BODY_BYTES = 4096
_READ_BYTES = 65536

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL taken apart."""

    scheme: str
    host: str
    port: int
    path: str
    authorization: str | None

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Return the endpoint of an absolute URL; raises ``ValueError`` when it is none."""
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("missing host in url")
        if parts.scheme not in ("http", "https"):
            raise ValueError("missing scheme in url")
        authorization = None
        if parts.username is not None:
            userinfo = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + b64encode(userinfo.encode()).decode()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname, port, parts.path or "/", authorization)

    @property
    def host_header(self) -> str:
        """Return the Host header: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == (443 if self.scheme == "https" else 80)
        return host if is_default else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; the body is cut."""

    status: int
    body: bytes


class HttpClient:
    """Sends requests to one endpoint; each has its connection for itself while it waits."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float,
        keepalive_s: float,
        verifies: bool = False,
        trusted_file: str | None = None,
        body_limit_bytes: int = _MAX_BODY_BYTES,
    ) -> None:
        self._endpoint = endpoint
        self._body_limit_bytes = body_limit_bytes
        self._timeout_s = timeout_s
        self._keepalive_s = keepalive_s
        self._context: ssl.SSLContext | None = None
        if endpoint.scheme == "https":
            self._context = (
                ssl.create_default_context(cafile=trusted_file) if verifies else unverified_context()
            )
        self._idle: _Streams | None = None
        self._is_closed = False
        self._used_at = 0.0

    async def send(self, method: str, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
        """Send one request and return the answer; raises ``OSError`` or ``TimeoutError``."""
        message = self._head(method, headers, len(body)) + body
        async with asyncio.timeout(self._timeout_s):
            streams = self._take()
            if streams is not None:
                with suppress(OSError, EOFError):
                    return await self._exchange(streams, message)
                # The server has closed it in the meantime: once more, on a new one.
            return await self._exchange(await self._open(), message)

    def close(self) -> None:
        """Give the connection back; one that is in use is closed after its answer."""
        self._is_closed = True
        streams, self._idle = self._idle, None
        if streams is not None:
            streams[1].close()

    def _head(self, method: str, headers: Iterable[tuple[str, str]], length: int) -> bytes:
        endpoint = self._endpoint
        lines = [f"{method} {endpoint.path} HTTP/1.1", f"Host: {endpoint.host_header}"]
        if endpoint.authorization is not None:
            lines.append(f"Authorization: {endpoint.authorization}")
        lines += [f"{name}: {value}" for name, value in headers]
        lines += [f"Content-Length: {length}", "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")

    def _take(self) -> _Streams | None:
        """Take the idle connection, unless it has had its time."""
        streams, self._idle = self._idle, None
        if streams is None:
            return None
        is_stale = monotonic() - self._used_at > self._keepalive_s
        if is_stale or streams[0].at_eof() or streams[1].is_closing():
            streams[1].close()
            return None
        return streams

    def _keep(self, streams: _Streams) -> None:
        """Keep a connection for the next request; one is enough, unless many are sent at once."""
        if self._is_closed or self._idle is not None:
            streams[1].close()
            return
        self._idle = streams
        self._used_at = monotonic()

    async def _open(self) -> _Streams:
        endpoint = self._endpoint
        return await asyncio.open_connection(
            endpoint.host,
            endpoint.port,
            ssl=self._context,
            server_hostname=endpoint.host if self._context is not None else None,
        )

    async def _exchange(self, streams: _Streams, message: bytes) -> Answer:
        reader, writer = streams
        try:
            writer.write(message)
            await writer.drain()
            reading = _Reading(self._body_limit_bytes)
            while not reading.is_complete:
                data = await reader.read(_READ_BYTES)
                if not data:
                    break
                reading.feed(data)
            if not reading.has_head:
                raise EOFError("the server closed the connection without an answer")
        except BaseException:
            writer.close()
            raise
        if reading.is_complete and reading.keeps_alive:
            self._keep(streams)
        else:
            writer.close()
        return Answer(reading.status, bytes(reading.body))


class _Reading:
    """Callbacks of the parser, in the order in which they fire."""

    def __init__(self, body_limit_bytes: int) -> None:
        self._body_limit_bytes = body_limit_bytes
        self.has_head = False
        self.is_complete = False
        self.keeps_alive = False
        self.status = 0
        self.body = bytearray()
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise ConnectionError(f"not an HTTP answer: {error}") from None

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.keeps_alive = self._parser.should_keep_alive()
        self.has_head = self.status >= 200

    def on_body(self, body: bytes) -> None:
        self.body += body[: self._body_limit_bytes - len(self.body)]

    def on_message_complete(self) -> None:
        # An interim answer (100) is followed by the real one.
        self.is_complete = self.has_head
