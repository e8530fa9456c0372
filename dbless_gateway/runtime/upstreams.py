"""All balancers of a worker, found by stable identity: the id of an Upstream, or host and port of a service.

The life of a reload: ``adopt_steps`` prepares what has changed (in slices, nothing visible yet), ``activate``
puts it into effect together with the new snapshot, ``sweep`` drops what the new configuration no longer
names. What did not change is not touched at all: its cursor, counts, averages, health and addresses go on.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Generator, Iterable
from operator import attrgetter
from time import monotonic
from typing import NamedTuple

from dbless_gateway.balancing.health import HEALTHY
from dbless_gateway.balancing.plan import run
from dbless_gateway.config.entities import Target, Upstream
from dbless_gateway.runtime.balancer import Balancer, NoPeer
from dbless_gateway.runtime.bus import Bus
from dbless_gateway.runtime.health_messages import (
    REPORT_TOPIC,
    STATE_TOPIC,
    SYNC,
    TRIAL,
    Address,
    PassiveReport,
    StateChange,
)
from dbless_gateway.runtime.lineup import Names, Setup, TargetSpec
from dbless_gateway.runtime.peer import Peer, split_port
from dbless_gateway.snapshot.plan import BalancerKey

__all__ = ["Balancer", "NoPeer", "Peer", "Upstreams"]

# Hosts that plugins choose per request (set_target) are not named by any configuration; a client that could
# make up names must not make the table grow without end.
DYNAMIC_HOSTS_MAX = 1024
# Prepared between two yields: well under a millisecond.
_TARGETS_PER_STEP = 256
_BALANCERS_PER_STEP = 4
# Between two slices of switching balancers over, other events get their turn.
_SLICE_S = 0.001
_HOST_WEIGHT = 100

# What of an upstream a balancer looks at besides its setup; a moved line in the file is no change.
_matters = attrgetter(
    "name",
    "hash_on",
    "hash_fallback",
    "hash_on_header",
    "hash_fallback_header",
    "hash_on_cookie",
    "hash_on_cookie_path",
    "hash_on_query_arg",
    "hash_fallback_query_arg",
    "hash_on_uri_capture",
    "hash_fallback_uri_capture",
    "sticky_sessions_cookie",
    "sticky_sessions_cookie_path",
    "healthchecks",
    "x_resilience",
)

Host = tuple[str, int]


class _Configured(NamedTuple):
    """An upstream as configured, and what of it decides the lineup."""

    upstream: Upstream
    setup: Setup


class Upstreams:
    """See the module."""

    __slots__ = (
        "_active",
        "_bus",
        "_by_host",
        "_by_id",
        "_by_name",
        "_due",
        "_dynamic",
        "_moves",
        "_named_hosts",
        "_names",
        "_next",
        "_next_due",
        "_next_hosts",
        "_states",
        "known",
    )

    def __init__(self, names: Names, bus: Bus | None = None) -> None:
        """``bus`` leads to the health registry; without one there are no passive checks."""
        self._names = names
        self._bus = bus
        # Balancers that services have asked for since the last change of configuration: the hot path looks here.
        self.known: dict[BalancerKey, Balancer] = {}
        self._by_id: dict[str, Balancer] = {}
        self._by_name: dict[str, Balancer] = {}
        self._by_host: dict[Host, Balancer] = {}
        self._dynamic: OrderedDict[Host, Balancer] = OrderedDict()
        # What the active configuration names, and what of it has still to be switched over.
        self._active: dict[str, _Configured] = {}
        self._named_hosts: set[Host] = set()
        self._moves: dict[str, int] = {}
        self._due: dict[Balancer, Upstream | None] = {}
        # The same for the configuration that is being prepared.
        self._next: dict[str, _Configured] = {}
        self._next_hosts: set[Host] = set()
        self._next_due: dict[Balancer, Upstream | None] = {}
        self._states: defaultdict[str, dict[Address, str]] = defaultdict(dict)  # by upstream; not HEALTHY
        if bus is not None:
            bus.subscribe(STATE_TOPIC, self._hear)
            bus.publish(REPORT_TOPIC, SYNC)

    def for_upstream(self, upstream_id: str) -> Balancer:
        """Return the balancer of an Upstream that was adopted."""
        balancer = self._by_id[upstream_id]
        if self._due and balancer in self._due:
            self._switch(balancer)
        return balancer

    def for_host(self, host: str, port: int) -> Balancer:
        """Return the balancer of a host that is no Upstream, made now if no service names it."""
        balancer = self._by_host.get((host, port))
        if balancer is None:
            return self._for_dynamic_host((host, port))
        if self._due and balancer in self._due:
            self._switch(balancer)
        return balancer

    def of_service(self, key: BalancerKey) -> Balancer:
        """Return the balancer of a service by its key in the snapshot; ``known`` spares the next one the call."""
        if len(key) == 2:
            balancer = self.known[key] = self.for_upstream(key[1])
            return balancer
        balancer = self.for_host(key[1], key[2])
        if (key[1], key[2]) in self._by_host:
            self.known[key] = balancer
        return balancer

    def find(self, host: str, port: int) -> Balancer:
        """Return the balancer of a service with this host: an Upstream of that name goes first."""
        balancer = self._by_name.get(host)
        if balancer is None or balancer.upstream_id is None:
            return self.for_host(host, port)
        return self.for_upstream(balancer.upstream_id)

    def adopt(self, upstreams: Iterable[Upstream], targets: Iterable[Target], hosts: Iterable[Host]) -> None:
        """Prepare and activate at once."""
        run(self.adopt_steps(upstreams, targets, hosts))
        self._go_over()
        self._switch_all()

    def adopt_steps(
        self, upstreams: Iterable[Upstream], targets: Iterable[Target], hosts: Iterable[Host]
    ) -> Generator[None, None, None]:
        """Prepare balancers for a configuration, in slices; until ``activate`` all works as before."""
        self._switch_all()
        self.discard()
        targets_of: defaultdict[str, list[TargetSpec]] = defaultdict(list)
        for number, target in enumerate(targets, 1):
            targets_of[target.upstream].append(TargetSpec.parse(target.target, target.weight))
            if number % _TARGETS_PER_STEP == 0:
                yield
        for number, upstream in enumerate(upstreams, 1):
            yield from self._prepare(upstream, targets_of[upstream.id])
            if number % _BALANCERS_PER_STEP == 0:
                yield
        for number, host in enumerate(hosts, 1):
            yield from self._prepare_host(host)
            if number % _BALANCERS_PER_STEP == 0:
                yield

    def activate(self) -> None:
        """Put what was prepared into effect.

        It holds at once for whoever asks for a balancer from now on; the balancers that nobody asks for yet
        are switched over between other events, because a few thousand of them take a tenth of a second.
        """
        self._switch_all()
        self._go_over()
        self._switch_some()

    def discard(self) -> None:
        """Forget what was prepared but not activated."""
        for balancer in self._next_due:
            balancer.discard()
        self._next, self._next_hosts, self._next_due = {}, set(), {}

    def sweep(self) -> None:
        """Drop what the configuration activated last does not name."""
        self.known.clear()
        for upstream_id in self._by_id.keys() - self._active.keys():
            self._by_id.pop(upstream_id).close()
            if not self._states[upstream_id]:
                del self._states[upstream_id]
        for host in self._by_host.keys() - self._named_hosts:
            self._by_host.pop(host).close()

    def moves(self) -> dict[str, int]:
        """Return what the configuration activated last did to the balancers of Upstreams, by count."""
        return self._moves

    def _go_over(self) -> None:
        self.known.clear()
        self._moves = _compare(self._active, self._next)
        self._active, self._named_hosts, self._due = self._next, self._next_hosts, self._next_due
        self._next, self._next_hosts, self._next_due = {}, set(), {}
        by_id = self._by_id
        self._by_name = {known.upstream.name: by_id[key] for key, known in self._active.items()}

    def _switch(self, balancer: Balancer) -> None:
        upstream = self._due.pop(balancer)
        balancer.activate()
        if upstream is not None:
            balancer.configure(upstream)

    def _switch_all(self) -> None:
        for balancer in tuple(self._due):
            self._switch(balancer)

    def _switch_some(self) -> None:
        stop_at = monotonic() + _SLICE_S
        while self._due and monotonic() < stop_at:
            self._switch(next(iter(self._due)))
        if self._due:
            asyncio.get_running_loop().call_soon(self._switch_some)

    def _prepare(self, upstream: Upstream, targets: list[TargetSpec]) -> Generator[None, None, None]:
        setup = Setup(
            algorithm=upstream.algorithm,
            slots=upstream.slots,
            host_header=upstream.host_header,
            use_srv_name=upstream.use_srv_name,
            targets=tuple(sorted(targets)),
        )
        self._next[upstream.id] = _Configured(upstream, setup)
        balancer = self._by_id.get(upstream.id)
        if balancer is None:
            balancer = self._by_id[upstream.id] = self._new_balancer(upstream.name, upstream.id)
        known = self._active.get(upstream.id)
        if known is None or known.setup != setup or _matters(known.upstream) != _matters(upstream):
            self._next_due[balancer] = upstream
        if known is None or known.setup != setup:
            yield from balancer.prepare_steps(setup)

    def _prepare_host(self, host: Host) -> Generator[None, None, None]:
        self._next_hosts.add(host)
        balancer = self._by_host.get(host) or self._dynamic.get(host) or self._new_balancer(host[0], None)
        if host in self._dynamic:
            del self._dynamic[host]
        self._by_host[host] = balancer
        if not balancer.is_active:
            self._next_due[balancer] = None
            yield from balancer.prepare_steps(_host_setup(host))

    def _for_dynamic_host(self, host: Host) -> Balancer:
        balancer = self._dynamic.get(host)
        if balancer is None:
            if len(self._dynamic) >= DYNAMIC_HOSTS_MAX:
                self._dynamic.popitem(last=False)[1].close()
            balancer = self._dynamic[host] = self._new_balancer(host[0], None)
            run(balancer.prepare_steps(_host_setup(host)))
            balancer.activate()
        else:
            self._dynamic.move_to_end(host)
        return balancer

    def _new_balancer(self, name: str, upstream_id: str | None) -> Balancer:
        states = self._states[upstream_id] if upstream_id is not None else {}
        return Balancer(name, upstream_id, self._names, self._send_report, states)

    def _send_report(self, report: PassiveReport) -> bool:
        if self._bus is None:
            return False
        self._bus.publish(REPORT_TOPIC, report)
        return True

    def _hear(self, change: StateChange) -> None:
        # A state may be told before the address is known here: after a start, or by a faster resolver.
        states = self._states[change.upstream_id]
        if change.state == TRIAL:
            pass  # An offer to whoever has the address now; no state to remember.
        elif change.state == HEALTHY:
            states.pop(change.address, None)
        else:
            states[change.address] = change.state
        balancer = self._by_id.get(change.upstream_id)
        if balancer is not None:
            balancer.set_state(change.address, change.state)
        elif not states:
            del self._states[change.upstream_id]


def _compare(old: dict[str, _Configured], new: dict[str, _Configured]) -> dict[str, int]:
    both = [(known.setup, new[key].setup) for key, known in old.items() if key in new]
    kept = sum(before == after for before, after in both)
    return {
        "kept": kept,
        "rebuilt": len(both) - kept,
        "new": len(new) - len(both),
        "dropped": len(old) - len(both),
    }


def _host_setup(host: Host) -> Setup:
    name, port = host
    plain = split_port(f"[{name}]")[0] if ":" in name else name
    target = TargetSpec(f"{name}:{port}", plain.strip("[]"), port, _HOST_WEIGHT)
    return Setup("round-robin", 0, None, False, (target,))
