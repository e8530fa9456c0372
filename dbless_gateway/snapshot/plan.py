"""What a matched route means for the exchange: everything that does not depend on the request, resolved ahead.

These are the parts of a snapshot that every request reads, in a module of their own because it is compiled.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from dbless_gateway.config.entities import Route, Service
from dbless_gateway.config.records import dataclass
from dbless_gateway.snapshot.chains import RouteChains
from dbless_gateway.snapshot.steps import Chain

BalancerKey = tuple[str, str] | tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class TargetTls:
    """How to talk TLS to the targets of a service.

    ``trust`` names verification, trust store and client certificate: connections with different trust never
    mix.
    """

    context: Any  # an ssl.SSLContext; whoever only validates must not pay for importing that
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
