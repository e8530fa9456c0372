"""A rehearsal: one worker's gateway, put together from the parts that serve, on a loop that has no network.

The chain, the router, the balancer, the exchange and the bytes on both sides are the real ones. What is not
real stands in the other files of this folder: targets, the loop, and what plugins are lent. Active and
passive health checks do not run, so every target is healthy.

``send`` is synchronous and plays one request after the other; what plugins have counted stays until
``forget``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, cast

from dbless_gateway.config.entities import Entities, Plugin
from dbless_gateway.config.problems import Problem
from dbless_gateway.http1.response_head import parse_response_head
from dbless_gateway.proxy.exchange import Exchange
from dbless_gateway.proxy.failures import Failure
from dbless_gateway.proxy.gateway import Gateway
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.host import RehearsalHost
from dbless_gateway.rehearsal.loop import IsolatedLoop
from dbless_gateway.rehearsal.question import Question
from dbless_gateway.rehearsal.targets import EveryName, TargetAnswer, TargetRequest, Targets
from dbless_gateway.rehearsal.wires import TlsSession, Wire
from dbless_gateway.routing.router import RouterEntry, build
from dbless_gateway.runtime.pools import Pools
from dbless_gateway.runtime.state import RuntimeState
from dbless_gateway.runtime.upstreams import Upstreams
from dbless_gateway.snapshot.chains import InstanceIndex, RouteChains
from dbless_gateway.snapshot.compile import CompileOptions, compile_snapshot
from dbless_gateway.snapshot.model import Snapshot
from dbless_gateway.snapshot.plan import CompiledRoute
from dbless_gateway.snapshot.plugin_loader import find_module

# Nothing here waits for anybody; only a plugin that sleeps takes time.
_PATIENCE_S = 30.0
_CLIENT_PORT = 50000
_LISTENER_IP = "127.0.0.1"


class Unanswered(Exception):
    """The gateway did not answer in time, which says that a plugin waits for something."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request.

    ``exchange`` is None when the gateway refused the bytes before they were a request; ``failure`` is the row
    of the proxy's table when the gateway itself had to answer for the target, ``bugs`` are logged exceptions.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    exchange: Exchange | None
    failure: Failure | None
    target_requests: tuple[TargetRequest, ...]
    bugs: tuple[str, ...]

    @property
    def route(self) -> CompiledRoute | None:
        """The route that took the request."""
        return self.exchange.compiled_route if self.exchange is not None else None

    @property
    def target_request(self) -> TargetRequest | None:
        """What the last target that was asked has read."""
        return self.target_requests[-1] if self.target_requests else None

    def header(self, name: str) -> str | None:
        """Return the values of a header of the response, joined; None when there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


def rehearse(entities: Entities, options: ProxyOptions | None = None) -> Rehearsal | list[Problem]:
    """Return a rehearsal of a configuration, or why it does not compile."""
    options = options or ProxyOptions()
    runnable, left_out = _runnable(entities)
    host = RehearsalHost()
    snapshot = compile_snapshot(runnable, host, CompileOptions(router_flavor=options.router_flavor))
    if isinstance(snapshot, list):
        return snapshot
    return Rehearsal(entities, snapshot, host, options, left_out)


def _runnable(entities: Entities) -> tuple[Entities, tuple[Plugin, ...]]:
    """Leave out the plugins that this version does not run; ``validate`` warns of them."""
    # Their code runs when they are compiled; nobody may have asked for it yet.
    brought = {code.name for code in entities.plugin_code}
    left_out = tuple(
        plugin
        for plugin in entities.plugins
        if plugin.enabled and plugin.name not in brought and find_module(plugin.name) is None
    )
    if not left_out:
        return entities, ()
    return replace(entities, plugins=tuple(p for p in entities.plugins if p not in left_out)), left_out


class Rehearsal:
    """See the module. Close it, or use it as a context manager."""

    def __init__(
        self,
        entities: Entities,
        snapshot: Snapshot,
        host: RehearsalHost,
        options: ProxyOptions,
        left_out: tuple[Plugin, ...],
    ) -> None:
        self.entities = entities
        self.snapshot = snapshot
        self.options = options
        self.left_out = left_out
        self._host = host
        names = EveryName()
        self._targets = Targets(names)
        self._loop = IsolatedLoop(self._targets)
        # No connection is kept: whether a target can be reached must not depend on the request before.
        pools = Pools(0, options.upstream_keepalive_idle_timeout)
        # Hosts lend more than plugins are promised; nothing here asks for it.
        self._runtime = RuntimeState(Upstreams(names), pools, cast(Any, host))
        self._gateway = self._loop.run_until_complete(self._open())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _open(self) -> Gateway:
        for _ in self._runtime.adopt_steps(self.snapshot):
            pass
        self._runtime.activate()
        log = logging.Logger("rehearsal")
        self._observer = _Observer(self._loop)
        log.addHandler(self._observer)
        gateway = Gateway(self.options, self._runtime, self.snapshot, log)
        gateway.access_log = self._observer.ended
        return gateway

    def send(self, question: Question, answer: TargetAnswer | None = None) -> Outcome:
        """Play a request; targets give ``answer``."""
        return self._loop.run_until_complete(self._send(question, answer or TargetAnswer()))

    def send_without_plugins(self, question: Question, route: CompiledRoute) -> Outcome:
        """Play a request that all plugins let pass, and in which they change nothing."""
        chains = RouteChains(InstanceIndex(()), None, None)
        bare = replace(route, chains=chains, chain=chains.base)
        service = route.service.entity if route.service is not None else None
        router = build([RouterEntry(route.entity, service, bare)], self.options.router_flavor)
        self._gateway.swap(replace(self.snapshot, router=router, rewrite=(), global_chain=chains.base))
        try:
            return self.send(question)
        finally:
            self._gateway.swap(self.snapshot)

    def forget(self, now_s: float | None = None) -> None:
        """Start anew: nothing was counted or cached, and it is this moment (Unix seconds; None is now)."""
        self._host.forget(now_s)

    def close(self) -> None:
        """Put everything away."""
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _close(self) -> None:
        self._gateway.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, question: Question, answer: TargetAnswer) -> Outcome:
        gateway, targets = self._gateway, self._targets
        targets.answer = answer
        targets.requests.clear()
        observer = self._observer
        observer.begin_watching()
        client = _Client(observer.done)
        connection = gateway.protocol_factory(question.scheme, question.port)()
        wire = Wire(connection, client.feed, _facts(question))
        connection.connection_made(wire)
        wire.deliver(question.to_bytes())
        try:
            async with asyncio.timeout(_PATIENCE_S):
                exchange = await observer.done
        except TimeoutError:
            message = f"{question.method} {question.url}: no answer within {_PATIENCE_S:.0f} s"
            raise Unanswered(message) from None
        finally:
            wire.close()
            await asyncio.sleep(0)
        status, headers, body = _read_response(bytes(client.received), is_head=question.method == "HEAD")
        return Outcome(
            status=status,
            headers=headers,
            body=body,
            exchange=exchange,
            failure=exchange.failure if exchange is not None else None,
            target_requests=tuple(targets.requests),
            bugs=tuple(observer.bugs),
        )


def _facts(question: Question) -> dict[str, Any]:
    """Return what the gateway asks the client's transport about."""
    return {
        "peername": (question.client_ip, _CLIENT_PORT),
        "sockname": (_LISTENER_IP, question.port),
        "ssl_object": TlsSession(question.sni) if question.scheme == "https" else None,
    }


class _Client:
    """The far end of the client's connection: keeps what it is sent."""

    def __init__(self, done: asyncio.Future[Exchange | None]) -> None:
        self.received = bytearray()
        self._done = done

    def feed(self, data: bytes | None) -> None:
        """Take bytes, or the end of the connection: what is no request is answered without an exchange."""
        if data is not None:
            self.received += data
        elif not self._done.done():
            self._done.set_result(None)


class _Observer(logging.Handler):
    """Tells when an exchange has ended, and which exceptions of plugins the gateway had to log."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.begin_watching()

    def begin_watching(self) -> None:
        """Forget the exchange before."""
        self.done: asyncio.Future[Exchange | None] = self._loop.create_future()
        self.bugs: list[str] = []

    def ended(self, exchange: Exchange) -> None:
        """Take the place of the access log."""
        if not self.done.done():
            self.done.set_result(exchange)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exceptions that plugins have raised."""
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            self.bugs.append(f"{record.getMessage()}: {type(error).__name__}: {error}")


def _read_response(data: bytes, *, is_head: bool) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """Take a response apart; interim ones before it are dropped."""
    while True:
        response = parse_response_head(data, is_head) if data else None
        if response is None:
            return 0, (), b""
        head, rest = data[: response.size - 4], data[response.size :]
        if response.status >= 200 or response.status == 101:
            break
        data = rest
    body = response.body
    pieces: Iterable[bytes] = body.feed(rest) if body is not None else ()
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return response.status, tuple((name, value.strip()) for name, _, value in lines), b"".join(pieces)
