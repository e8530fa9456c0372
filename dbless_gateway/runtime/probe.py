"""One active check of one address: connect, ask, read the status line, close.

The outcome is a status or a report with its reason in words; what a status means is decided elsewhere. The
timeout holds for each step (connecting with the TLS handshake, sending, receiving), as in Kong. Redirects are
not followed.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from dbless_gateway.balancing.health import Report
from dbless_gateway.config.entities import Upstream
from dbless_gateway.runtime.health_messages import Address
from dbless_gateway.runtime.peer import split_port

# The check types that can be carried out. Kong accepts grpc and grpcs as well, and then checks nothing.
PROBE_TYPES = frozenset({"tcp", "http", "https"})
_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d{3})(?:[ \r\n]|$)")
# Far more than any status line; what is longer is none.
_STATUS_LINE_BYTES_MAX = 4096


class Outcome(NamedTuple):
    """``status`` is 0 unless a response came; then ``report`` is None."""

    status: int
    report: Report | None
    detail: str


@dataclass(frozen=True, slots=True)
class Probe:
    """How the addresses of one upstream are checked."""

    type: str
    timeout_s: float
    path: str
    headers: tuple[tuple[str, str], ...]
    host: str | None  # in place of the target's name
    server_name: str | None
    verify: bool
    ca_file: str | None

    @classmethod
    def of(cls, upstream: Upstream, ca_file: str | None) -> Probe:
        """Return the probe that an upstream's checks ask for."""
        checks = upstream.healthchecks.active
        headers = checks.headers or {}
        return cls(
            type=checks.type,
            timeout_s=checks.timeout,
            path=checks.http_path,
            headers=tuple((name, value) for name, values in headers.items() for value in values),
            host=upstream.host_header,
            server_name=checks.https_sni,
            verify=checks.https_verify_certificate,
            ca_file=ca_file,
        )

    async def check(self, address: Address) -> Outcome:
        """Check an address."""
        try:
            return await self._check(address)
        except TimeoutError:
            return Outcome(0, Report.TIMEOUT, f"no answer within {self.timeout_s:g} s")
        except OSError as error:
            return Outcome(0, Report.TCP_FAILURE, _reason(error))
        except ValueError as error:
            # A server name that cannot be encoded: nothing to connect to.
            return Outcome(0, Report.TCP_FAILURE, str(error))

    async def _check(self, address: Address) -> Outcome:
        # Made before the time runs: reading the trusted certificates is no slowness of the target's.
        context = _tls_context(self.verify, self.ca_file) if self.type == "https" else None
        async with asyncio.timeout(self.timeout_s):
            reader, writer = await self._connect(address, context)
        try:
            if self.type == "tcp":
                return Outcome(0, Report.SUCCESS, "connected")
            writer.write(self._request(address))
            async with asyncio.timeout(self.timeout_s):
                await writer.drain()
            async with asyncio.timeout(self.timeout_s):
                return _judge(await _read_status_line(reader))
        finally:
            # The status line was all that we wanted: no closing handshakes.
            writer.transport.abort()

    async def _connect(
        self, address: Address, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        limit = _STATUS_LINE_BYTES_MAX
        if context is None:
            return await asyncio.open_connection(address.ip, address.port, limit=limit)
        name = self.server_name or split_port(self.host or address.host)[0]
        return await asyncio.open_connection(
            address.ip, address.port, limit=limit, ssl=context, server_hostname=name
        )

    def _request(self, address: Address) -> bytes:
        host = self.host or (f"[{address.host}]" if ":" in address.host else address.host)
        given = {name.lower() for name, _ in self.headers}
        own = [("Host", host), ("Connection", "close")]
        headers = [pair for pair in own if pair[0].lower() not in given] + list(self.headers)
        lines = [f"GET {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
        return "\r\n".join(lines).encode("utf-8")


async def _read_status_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            raise ConnectionResetError("closed without an answer") from error
        return error.partial
    except asyncio.LimitOverrunError:
        return b""


def _judge(line: bytes) -> Outcome:
    found = _STATUS_LINE.match(line)
    if found is None:
        return Outcome(0, Report.HTTP_FAILURE, "not an HTTP response")
    return Outcome(int(found[1]), None, f"status {int(found[1])}")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    # The library's own texts differ between event loops; the system's say what happened.
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__


@lru_cache(maxsize=4)
def _tls_context(verify: bool, ca_file: str | None) -> ssl.SSLContext:
    """Return a context; reading the trusted certificates takes milliseconds, so there is one of each kind."""
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
