"""Snapshot: everything compiled from one configuration, as the hot path reads it.

Immutable after compilation, but for one bounded memo (the chains of consumers, see ``chains.py``). It holds
what was asked for, never what was learned, so two snapshots can live side by side while exchanges in flight
finish on the old one. No reference cycles: an old snapshot is freed by reference count, without the
collector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbless_gateway.config.entities import Target, Upstream
from dbless_gateway.config.records import dataclass, field
from dbless_gateway.pdk.identity import Identities
from dbless_gateway.routing.router import Router
from dbless_gateway.snapshot.plan import CompiledRoute
from dbless_gateway.snapshot.plugin_timer import PluginTimer
from dbless_gateway.snapshot.steps import Chain, Step

if TYPE_CHECKING:
    from dbless_gateway.snapshot.certificates import ServerCertificates
    from dbless_gateway.snapshot.loans import Loan


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
