"""The exchange script: a whole exchange, tested synchronously, that reads from top to bottom.

    client.send(request_bytes())
    target = stage.accept()
    assert target.read_request().target == "/"
    stage.pass_time(60.1)
    assert client.read_response().status == 504

A ``Stage`` is one worker's gateway on a fake loop (``fake_loop.py``) with real routes, balancers and pools.
Both ends of it are the test's: ``connect`` makes a client, ``accept`` takes the connection that the gateway
dials. Each is a ``Wire``, so it reads as strictly as the sockets of the end-to-end tests do. Nothing waits:
to read what was not sent fails the test.

Plugins are any objects with phases for methods; those given first run first.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NoReturn, cast

from dbless_gateway.config.entities import Entities, Plugin, Route, Service, Target, Upstream
from dbless_gateway.proxy.gateway import Gateway
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.routing.router import RouterEntry, build
from dbless_gateway.runtime.bus import Bus
from dbless_gateway.runtime.lineup import Names
from dbless_gateway.runtime.pools import Pools
from dbless_gateway.runtime.state import RuntimeState
from dbless_gateway.runtime.upstreams import Upstreams
from dbless_gateway.snapshot.chains import Instance, InstanceIndex, RouteChains
from dbless_gateway.snapshot.compile import CompileOptions, compile_snapshot
from dbless_gateway.snapshot.dry_run import DryRunHost
from dbless_gateway.snapshot.model import Snapshot
from tests.support.fake_loop import FakeLoop, FakeTransport
from tests.support.plugin_context import HERE, make_route, make_service
from tests.support.wire import Response, Wire

SERVICE_ID = "aaaaaaaa-0000-4000-8000-000000000001"
ROUTE_ID = "aaaaaaaa-0000-4000-8000-000000000002"
TARGET_IP = "10.1.1.1"
CLIENT_IP = "192.0.2.7"
LISTENER = ("198.51.100.1", 8000)
# What the sweep of the gateway may be late by.
TICK_S = 0.11


class FarEnd(Wire):
    """One end of a connection of the gateway, in the hands of the test."""

    def __init__(self, transport: FakeTransport) -> None:
        super().__init__(cast(Any, _Pipe(transport)))
        self.transport = transport

    def send(self, data: bytes) -> None:
        """Send, and let the gateway do whatever follows from it."""
        self.transport.deliver(data)

    def receive(self) -> bytes:
        """Return everything that has come and was not read yet."""
        return self._take(len(self._buffer)) + self.socket.recv(-1)

    def finish(self) -> None:
        """Close in order."""
        self.transport.finish()

    def reset(self) -> None:
        """Close as a crashed peer would."""
        self.transport.break_down()

    def stop_reading(self) -> None:
        """Let the gateway's bytes wait."""
        self.transport.stop_reading()

    def read_again(self) -> None:
        """Take them."""
        self.transport.read_again()

    @property
    def is_paused(self) -> bool:
        """Tell whether the gateway takes no more from this end for now."""
        return self.transport.is_paused

    @property
    def is_closed(self) -> bool:
        """Tell whether the gateway has closed the connection."""
        return self.transport.is_lost

    def answer(self, body: bytes = b"", status: str = "200 OK", *headers: str) -> None:
        """Send a complete response with Content-Length, as a target."""
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
        self.send("\r\n".join(lines).encode("latin-1") + body)

    def read_responses(self, count: int) -> list[Response]:
        """Return that many responses to GET."""
        return [self.read_response() for _ in range(count)]


class _Pipe:
    """As much of a socket as ``Wire`` needs."""

    def __init__(self, transport: FakeTransport) -> None:
        self._transport = transport

    def settimeout(self, seconds: float) -> None:
        """Nothing here waits."""

    def recv(self, limit: int) -> bytes:
        """Return what has come; ``limit`` -1 asks for everything and takes nothing for an answer."""
        sent = self._transport.sent
        data = bytes(sent)
        sent.clear()
        if not data and limit != -1 and not self._transport.is_lost:
            raise AssertionError("nothing more was sent")
        return data

    def close(self) -> None:
        self._transport.finish()


class Stage:
    """See the module. ``bugs`` are the exceptions that the gateway has logged; ``finished`` its exchanges."""

    def __init__(
        self,
        *,
        plugins: Sequence[Any] = (),
        options: ProxyOptions | None = None,
        service: dict[str, Any] | None = None,
        route: dict[str, Any] | None = None,
        targets: Sequence[tuple[str, int]] = (),
        upstream: Upstream | None = None,
        pool_size: int = 512,
        names: Names | None = None,
        bus: Bus | None = None,
    ) -> None:
        """One service on one route; with ``targets`` its host is an ``upstream`` of these.

        ``names`` resolves names; without it there are only addresses. ``bus`` leads to a health registry.
        """
        self.loop = FakeLoop()
        self.bugs: list[logging.LogRecord] = []
        self.log: list[str] = []
        self.finished: list[Any] = []
        upstreams = Upstreams(names or _NoNames(), bus)
        self.runtime = RuntimeState(upstreams, Pools(pool_size, 60.0), cast(Any, DryRunHost()))
        self.snapshot = snapshot_of(
            make_service(SERVICE_ID, **{"host": TARGET_IP, "name": "svc", **(service or {})}),
            make_route(ROUTE_ID, **{"service": SERVICE_ID, **(route or {})}),
            plugins,
            [] if upstream is None else [upstream],
            [_target(upstream, address, weight) for address, weight in targets if upstream is not None],
        )
        self.loop.run(self._start, options or ProxyOptions())

    def _start(self, options: ProxyOptions) -> None:
        self.swap(self.snapshot)
        logger = logging.Logger("gateway under test")
        logger.addHandler(_Collector(self))
        self.gateway = Gateway(options, self.runtime, self.snapshot, logger)
        self.gateway.access_log = self.finished.append

    def swap(self, snapshot: Snapshot) -> None:
        """Make the runtime ready for a snapshot, as a reload does."""
        for _ in self.runtime.adopt_steps(snapshot):
            pass
        self.runtime.activate()

    def connect(
        self,
        ip: str = CLIENT_IP,
        scheme: str = "http",
        is_unix: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> FarEnd:
        """Return a new client; with ``tls`` it is expected to shake hands first."""
        connection = self.gateway.protocol_factory(scheme, LISTENER[1], tls)()
        names = {"peername": "", "sockname": "/run/gateway.sock"} if is_unix else {}
        extra = {"peername": (ip, 50000), "sockname": LISTENER, **names}
        transport = FakeTransport(self.loop, connection, extra)
        self.loop.run(connection.connection_made, transport)
        return FarEnd(transport)

    @property
    def is_dialling(self) -> bool:
        """Tell whether the gateway waits for a connection."""
        return any(not dial.is_given_up for dial in self.loop.dials)

    def accept(self, before: bytes = b"") -> FarEnd:
        """Take the oldest connection that the gateway dials; ``before`` is sent without having been asked."""
        dial = self.loop.dials.popleft()
        assert dial.outcome is not None
        connection = dial.make()
        transport = FakeTransport(self.loop, connection, {"peername": dial.address})
        connection.connection_made(transport)
        if before:
            transport.deliver(before)
        dial.outcome.set_result((transport, connection))
        self.loop.settle()
        return FarEnd(transport)

    def refuse(self, error: Exception | None = None) -> None:
        """Fail the oldest connection that the gateway dials."""
        dial = self.loop.dials.popleft()
        assert dial.outcome is not None
        dial.outcome.set_exception(error or ConnectionRefusedError(111, "Connection refused"))
        self.loop.settle()

    def dialled_address(self) -> tuple[str, int]:
        """Return where the oldest open attempt goes."""
        return self.loop.dials[0].address

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the sweep that notices it."""
        self.loop.pass_time(seconds + TICK_S)

    def do(self, call: Any, *arguments: Any) -> None:
        """Call something of the gateway from within its loop."""
        self.loop.run(call, *arguments)


class _Collector(logging.Handler):
    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._stage.bugs.append(record)
        self._stage.log.append(record.getMessage())


class _NoNames:
    """Stands where the resolver is: addresses never come here."""

    def watch(self, name: str, changed: Any) -> NoReturn:
        raise AssertionError(f"{name} is no address")


def snapshot_of(
    service: Service,
    route: Route,
    plugins: Sequence[Any] = (),
    upstreams: Iterable[Upstream] = (),
    targets: Iterable[Target] = (),
) -> Snapshot:
    """Return a compiled configuration of one route whose plugins are the given objects, all global."""
    compiled = compile_snapshot(
        make_entities(services=(service,), routes=(route,), upstreams=upstreams, targets=targets),
        DryRunHost(),
        CompileOptions(),
    )
    assert isinstance(compiled, Snapshot), compiled
    index = InstanceIndex(
        Instance(make_plugin(f"plugin-{number}"), handler, -number) for number, handler in enumerate(plugins)
    )
    chains = RouteChains(index, route.id, service.id)
    routes = [replace(found, chains=chains, chain=chains.base) for found in compiled.routes]
    entries = [RouterEntry(found.entity, service, found) for found in routes]
    handlers = [found.handler for found in chains.instances()]
    return replace(
        compiled,
        router=build(entries, "traditional_compatible"),
        routes=routes,
        rewrite=tuple(handler.rewrite for handler in handlers if hasattr(handler, "rewrite")),
        global_chain=replace(chains.base, access=(), needs_request_body=False),
    )


def make_plugin(name: str, **changes: Any) -> Plugin:
    """Return a plugin entity; global unless told otherwise."""
    values: dict[str, Any] = {
        "id": f"id-of-{name}",
        "name": name,
        "instance_name": None,
        "service": None,
        "route": None,
        "consumer": None,
        "consumer_group": None,
        "config": {},
        "protocols": ("http", "https"),
        "enabled": True,
        "tags": None,
        "created_at": 1,
        "updated_at": 1,
        "where": HERE,
    }
    return Plugin(**(values | changes))


def make_entities(**collections: Iterable[Any]) -> Entities:
    """Return a configuration of these collections and nothing else."""
    names = [name for name in Entities.__slots__ if name not in ("format_version", "hash")]
    values: dict[str, Any] = {name: tuple(collections.get(name, ())) for name in names}
    return Entities(format_version="3.0", hash="0" * 32, **values)


def _target(upstream: Upstream, address: str, weight: int) -> Target:
    return Target(address, upstream.id, address, weight, None, 0, 0, HERE)
