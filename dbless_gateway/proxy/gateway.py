"""Gateway: what all connections of one worker share. It holds the current snapshot; ``swap`` is one
assignment.

Also the worker's clock: one sweep compares stored deadlines, so no request ever makes a timer.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Hashable, Iterator
from random import randbytes
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final, cast

from dbless_gateway.http1.request_head import HeadLimits, Judge, Refusal
from dbless_gateway.http1.writing import STATUS_LINES
from dbless_gateway.pdk.errors import server_error
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.proxy import failures
from dbless_gateway.proxy.client_tls import PLAIN_HTTP_PAGE
from dbless_gateway.proxy.downstream import LAST_CALL_S, ClientConnection, Listener
from dbless_gateway.proxy.failures import Failure
from dbless_gateway.proxy.forwarding import IdentityBlocks, server_name
from dbless_gateway.proxy.loop_lag import LoopLag
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.proxy.overload import Overload, connection_limit, request_limit
from dbless_gateway.proxy.tls_transport import Handshakes, TlsTransport
from dbless_gateway.proxy.upstream import TargetConnection
from dbless_gateway.snapshot.model import Snapshot
from dbless_gateway.snapshot.plan import TargetTls
from dbless_gateway.snapshot.target_tls import is_chain_too_long

if TYPE_CHECKING:
    from dbless_gateway.proxy.exchange import Exchange
    from dbless_gateway.runtime.peer import Peer
    from dbless_gateway.runtime.state import RuntimeState

# The resolution of every timeout. Walking 10,000 idle connections takes about 0.4 ms, so ten times a second
# is 0.4 %.
_SWEEP_INTERVAL_S: Final = 0.1
_POOL_SWEEP_EVERY: Final = 10
# Bytes waiting for a slow peer before the other side is told to wait; two of uvloop's reads.
_WRITE_HIGH_WATER_BYTES: Final = 512 * 1024
_REQUEST_ID_BYTES: Final = 16
_REQUEST_IDS_AT_ONCE: Final = 256


class Gateway:
    """See the module."""

    __slots__ = (
        "_connections",
        "_request_ids",
        "_serial",
        "_sweep_due",
        "_sweeps",
        "_timer",
        "_wall_offset",
        "access_log",
        "active_exchanges",
        "balancers",
        "charset",
        "handshakes",
        "has_default_tokens",
        "has_rare_tokens",
        "identity_blocks",
        "idle_waiter",
        "is_draining",
        "judge",
        "log",
        "loop",
        "loop_lag",
        "max_connections",
        "max_exchanges",
        "now",
        "options",
        "overload",
        "pools",
        "requests_total",
        "retries_total",
        "runtime",
        "server_line",
        "snapshot",
        "via_line",
        "via_line_10",
    )

    def __init__(
        self,
        options: ProxyOptions,
        runtime: RuntimeState,
        snapshot: Snapshot,
        log: logging.Logger | None = None,
    ) -> None:
        self.options = options
        self.runtime = runtime
        self.balancers = runtime.upstreams.known
        self.pools = runtime.pools
        self.snapshot = snapshot
        self.log = log or logging.getLogger("dbless_gateway.proxy")
        self.access_log: Callable[[Exchange], None] | None = None
        self.judge = Judge(
            HeadLimits(options.max_request_line_bytes, options.max_header_bytes, options.max_header_count)
        )
        # Fixed parts of heads.
        version = options.version.encode()
        self.via_line = b"\r\nVia: 1.1 kong/" + version
        self.via_line_10 = b"\r\nVia: 1 kong/" + version
        self.has_rare_tokens = options.upstream_status or options.allow_debug_header
        self.has_default_tokens = (
            options.latency_tokens
            and options.server_tokens
            and options.request_id_downstream
            and not self.has_rare_tokens
        )
        self.server_line = b"\r\nServer: kong/" + version
        self._request_ids: list[bytes] = []
        self.identity_blocks = IdentityBlocks()
        self.charset = options.charset.encode() if options.charset else None
        # Connections and counts.
        self._connections: set[ClientConnection] = set()
        self.handshakes = Handshakes()
        self._serial = 0
        self.requests_total = 0
        self.retries_total = 0
        self.active_exchanges = 0
        self.max_connections = connection_limit(options.max_connections)
        self.max_exchanges = request_limit(options.max_active_requests, self.max_connections)
        self.overload = Overload(self.log)
        self.is_draining = False
        self.idle_waiter: asyncio.Future[None] | None = None
        # Time.
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time()
        self._wall_offset = time() - monotonic()
        self._sweeps = 0
        self._sweep_due = self.now + _SWEEP_INTERVAL_S
        self.loop_lag = LoopLag(self.now)
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(_SWEEP_INTERVAL_S, self._sweep)

    # ---- Configuration

    def swap(self, snapshot: Snapshot) -> Snapshot:
        """Serve this configuration from now on; return the old one, which exchanges in flight may still use."""
        old, self.snapshot = self.snapshot, snapshot
        return old

    # ---- Clients

    def protocol_factory(
        self, scheme: str, port: int, tls: ssl.SSLContext | None = None
    ) -> Callable[..., ClientConnection | TlsTransport]:
        """Return what makes the protocol of each connection of a listener; ``source``: who stands behind it."""
        listener = Listener(scheme, self.options.port_maps.get(port, port))
        if tls is None:
            return lambda source=None: ClientConnection(self, listener, source)
        return lambda source=None: TlsTransport(self, tls, ClientConnection(self, listener, source))

    def connection_opened(self, connection: ClientConnection) -> int:
        """Count a connection; return its serial number."""
        self._connections.add(connection)
        self._serial += 1
        transport = connection.transport
        if transport is not None:
            transport.set_write_buffer_limits(high=_WRITE_HIGH_WATER_BYTES)
        return self._serial

    @property
    def is_crowded(self) -> bool:
        """There are more client connections than may be."""
        return len(self._connections) + len(self.handshakes) > self.max_connections

    def connection_closed(self, connection: ClientConnection) -> None:
        """Count it off."""
        self._connections.discard(connection)
        self._note_idle()

    def handshake_ended(self, transport: TlsTransport) -> None:
        """Forget a connection that had TLS."""
        self.handshakes.forget(transport)
        self._note_idle()

    def next_request_id(self) -> bytes:
        """Return a random id of 32 hexadecimal digits."""
        ids = self._request_ids
        if not ids:
            # Drawing many at once is four times as fast as one by one.
            block = randbytes(_REQUEST_ID_BYTES * _REQUEST_IDS_AT_ONCE).hex().encode()
            size = 2 * _REQUEST_ID_BYTES
            ids.extend([block[start : start + size] for start in range(0, len(block), size)])
        return ids.pop()

    def exchange_ended(self, exchange: Exchange) -> None:
        """Count a request and write its line in the access log."""
        self.requests_total += 1
        if self.access_log is not None:
            self.access_log(exchange)

    def refusal_response(self, refusal: Refusal, peer_ip: str) -> bytes:
        """Return the whole answer to bytes that are no request; the connection closes behind it."""
        request_id = self.next_request_id().decode()
        reply = server_error(
            refusal.status,
            accept=None,
            content_type=None,
            default_type=self.options.error_default_type,
            request_id=request_id,
        )
        return self._last_response(reply, refusal.reason, peer_ip)

    def plain_http_response(self, peer_ip: str) -> bytes:
        """Return the whole answer to a client that speaks HTTP without TLS where TLS is spoken."""
        return self._last_response(PLAIN_HTTP_PAGE, "HTTP without TLS on a port with TLS", peer_ip)

    def _last_response(self, reply: Reply, reason: str, peer_ip: str) -> bytes:
        self.log.info("client %s: %d, %s", peer_ip, reply.status, reason)
        self.requests_total += 1
        lines = [STATUS_LINES[reply.status]]
        lines += [f"{name}: {value}".encode("latin-1") for name, value in reply.headers]
        lines += [b"Connection: close", b"Content-Length: %d" % len(reply.body)]
        if self.options.server_tokens:
            lines.append(self.server_line[2:])
        return b"\r\n".join(lines) + b"\r\n\r\n" + reply.body

    # ---- Targets

    def take_connection(self, key: Hashable) -> TargetConnection | None:
        """Return an idle connection to this endpoint, or None."""
        return cast("TargetConnection | None", self.pools.take(key))

    def dial(
        self, exchange: Exchange, key: Hashable, peer: Peer, host: bytes, tls: TargetTls | None
    ) -> TargetConnection:
        """Start to connect to the peer; the exchange hears of the outcome."""
        # It belongs to the exchange from ``begin`` on: what a target says before it was asked is no answer.
        target = TargetConnection(self, key)
        target.dialing = asyncio.ensure_future(self._dial(target, exchange, peer, host, tls))
        return target

    async def _dial(
        self, target: TargetConnection, exchange: Exchange, peer: Peer, host: bytes, tls: TargetTls | None
    ) -> None:
        # Protocols are duck-typed here: inheriting asyncio's class would cost the compiled build its speed.
        make = cast(Callable[[], asyncio.Protocol], lambda: target)
        try:
            if tls is None:
                await self.loop.create_connection(make, peer.ip, peer.port)
            else:
                name = server_name(host) or peer.ip
                transport, _ = await self.loop.create_connection(
                    make, peer.ip, peer.port, ssl=tls.context, server_hostname=name
                )
                if tls.depth is not None:
                    _check_chain(transport, tls.depth)
        except (OSError, ValueError, OverflowError) as error:
            # The last two: a server name that cannot be encoded, a port that a plugin made up.
            target.dialing = None
            if exchange.target is target:
                exchange.guarded(exchange.on_target_failed, failures.CONNECT_FAILED, _reason(error))
            return
        target.dialing = None
        if target.transport is not None:
            target.transport.set_write_buffer_limits(high=_WRITE_HIGH_WATER_BYTES)
        if not target.closed:
            exchange.guarded(exchange.on_connected, target)
        elif exchange.target is target:
            reason = "closed, or spoke before it was asked"
            exchange.guarded(exchange.on_target_failed, failures.CONNECT_FAILED, reason)

    # ---- Time

    def wall_clock(self, moment: float) -> float:
        """Turn a moment of the monotonic clock into seconds since the epoch."""
        return moment + self._wall_offset

    def _sweep(self) -> None:
        now = self.now = self.loop.time()
        self.loop_lag.note(now, self._sweep_due)
        self._sweep_due = now + _SWEEP_INTERVAL_S
        self._timer = self.loop.call_later(_SWEEP_INTERVAL_S, self._sweep)
        for connection in [found for found in self._connections if found.deadline <= now]:
            connection.on_deadline()
        self.handshakes.sweep(now)
        self._sweeps += 1
        if self._sweeps % _POOL_SWEEP_EVERY == 0:
            self._wall_offset = time() - monotonic()
            self.runtime.pools.sweep(now)
            self.overload.sweep()

    # ---- The end

    def start_draining(self) -> None:
        """Finish what is in flight, and take no further request on any connection."""
        self.is_draining = True
        for connection in list(self._connections):
            if connection.is_idle:
                connection.close()
        self.handshakes.hurry(self.now + LAST_CALL_S)
        self._note_idle()

    @property
    def is_idle(self) -> bool:
        """No connection is open."""
        return not self._connections and not len(self.handshakes)

    async def drained(self) -> None:
        """Wait until every connection has ended."""
        if not self.is_idle:
            self.idle_waiter = self.loop.create_future()
            await self.idle_waiter

    def _note_idle(self) -> None:
        if self.is_idle and self.idle_waiter is not None and not self.idle_waiter.done():
            self.idle_waiter.set_result(None)

    def close(self) -> None:
        """Drop everything at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in list(self._connections):
            connection.abort()
        self.handshakes.close()
        self.runtime.pools.close()

    def report(self) -> dict[str, int]:
        """Return counts and gauges under the names of ``runtime/report.py``."""
        waiting = reading = 0
        for connection in self._connections:
            if connection.is_idle:
                waiting += 1
            elif connection.is_reading:
                reading += 1
        active = len(self._connections)
        return {
            "connections_accepted": self._serial,
            "connections_active": active,
            "connections_handled": self._serial,
            "connections_reading": reading,
            "connections_waiting": waiting,
            "connections_writing": active - waiting - reading,
            "total_requests": self.requests_total,
            "requests_active": self.active_exchanges,
            "requests_refused": self.overload.refused_total,
            "upstream_retries": self.retries_total,
            "upstream_connections_idle": self.runtime.pools.count(),
            "loop_lag_us": round(self.loop_lag.greatest_s * 1e6),
        }

    def connections(self) -> Iterator[ClientConnection]:
        """Iterate over a copy of the open client connections."""
        return iter(list(self._connections))

    # ---- Log

    def log_failure(self, exchange: Exchange, failure: Failure, detail: str) -> None:
        """Tell the operator who failed, and why."""
        self.log.error(
            "%s %s: %s%s, route: %s, target: %s, request_id: %s",
            exchange.method,
            exchange.raw_path[:200],
            failure.name,
            f" ({detail})" if detail else "",
            exchange.route.name or exchange.route.id if exchange.route else "-",
            exchange.tried[-1].target if exchange.tried else "-",
            exchange.request_id,
        )

    def log_retry(self, exchange: Exchange, peer: Peer, failure: Failure, detail: str) -> None:
        """Count and tell that another try follows."""
        self.retries_total += 1
        self.log.warning(
            "%s(%s:%d): %s (%s), trying again, request_id: %s",
            peer.host,
            peer.ip,
            peer.port,
            failure.name,
            detail,
            exchange.request_id,
        )

    def log_bug(self, what: str, exchange: Exchange) -> None:
        """Log an exception with its traceback; called from an ``except`` block."""
        self.log.exception("%s, request_id: %s", what, exchange.request_id)


def _check_chain(transport: asyncio.BaseTransport, depth: int) -> None:
    if is_chain_too_long(transport.get_extra_info("ssl_object"), depth):
        cast(asyncio.Transport, transport).abort()
        raise ConnectionError(f"certificate verification failed: chain longer than tls_verify_depth {depth}")


def _reason(error: Any) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verification failed: {error.verify_message}"
    return str(error) or type(error).__name__
