"""Snapshot: everything compiled from one configuration, as the hot path reads it.

Immutable after compilation, but for one bounded memo (the chains of consumers, see ``chains.py``). It holds
what was asked for, never what was learned, so two snapshots can live side by side while exchanges in flight
finish on the old one. No reference cycles: an old snapshot is freed by reference count, without the
collector.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbless_gateway.config.entities import Route, Service, Target, Upstream
from dbless_gateway.pdk.identity import Identities
from dbless_gateway.routing.router import Router

if TYPE_CHECKING:
    import ssl

    from dbless_gateway.snapshot.certificates import ServerCertificates
    from dbless_gateway.snapshot.chains import RouteChains
    from dbless_gateway.snapshot.loans import Loan

# A step is one handler's bound method of one phase. The context is the proxy's exchange.
Step = Callable[[Any], Any]
BodyStep = Callable[[Any, bytes, bool], "bytes | None"]

BalancerKey = tuple[str, str] | tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Chain:
    """The steps that one exchange takes, by phase, each in priority order.

    ``access`` is slot-aligned within a route: position n belongs to the same plugin name in every chain of
    the route, so a chain can be exchanged while it runs. The others hold only what exists.
    """

    access: tuple[Step, ...] = ()
    header_filter: tuple[Step, ...] = ()
    body_filter: tuple[BodyStep, ...] = ()
    log: tuple[Step, ...] = ()
    needs_request_body: bool = False  # some handler wants the whole body before access
    changes_body: bool = False  # some body_filter may change the length
    response: tuple[Step, ...] = ()  # with any of these, the target's response is held back
    reads_body: bool = False  # some step of the response's side wants to see its body


@dataclass(frozen=True, slots=True)
class PluginTimer:
    """What a plugin does every now and then, in each worker, while its configuration is served."""

    plugin_id: str
    period_s: float
    run: Callable[[], Any]  # may return an awaitable
    log: logging.Logger


@dataclass(frozen=True, slots=True)
class TargetTls:
    """How to talk TLS to the targets of a service.

    ``trust`` names verification, trust store and client certificate: connections with different trust never
    mix.
    """

    context: ssl.SSLContext
    trust: Hashable
    depth: int | None  # authorities that may stand in between; None: nothing is verified


@dataclass(frozen=True, slots=True)
class CompiledService:
    """A service with everything resolved that does not depend on the request. Times in seconds."""

    entity: Service
    balancer_key: BalancerKey  # ("upstream", id) or ("host", host, port)
    tls: TargetTls | None
    retries: int
    connect_timeout_s: float
    write_timeout_s: float
    read_timeout_s: float


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """What a matched route means for the exchange."""

    entity: Route
    service: CompiledService | None
    chains: RouteChains
    chain: Chain  # of a request without a consumer
    preserve_host: bool
    request_buffering: bool
    is_restricted: bool  # it does not take every protocol: see the next three
    needs_https: bool  # the route is for https only
    redirect_status: int
    grpc: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One whole configuration, ready to serve. ``version`` counts this process's configurations from 1."""

    version: int
    hash: str
    router: Router[CompiledRoute]
    routes: list[CompiledRoute]
    rewrite: tuple[Step, ...]
    global_chain: Chain  # for requests that no route takes: access is empty
    identities: Identities
    upstreams: tuple[Upstream, ...]
    targets: tuple[Target, ...]
    hosts: frozenset[tuple[str, int]]  # service hosts that are no upstream's name
    certificates: ServerCertificates  # towards clients
    counts: dict[str, int] = field(default_factory=dict)  # entities by kind, for receipts
    timers: tuple[PluginTimer, ...] = ()
    loans: dict[str, Loan] = field(default_factory=dict)  # what handlers borrow, by plugin id

    def dispose_steps(self) -> Iterator[None]:
        """Let go of the big parts piece by piece; freeing 10,000 routes at once would stall the loop."""
        yield from self.router.dispose_steps()
        while self.routes:
            del self.routes[-100:]
            yield
