"""All balancers of a worker, found by stable identity: the id of an Upstream, or host and port of a service.

The life of a reload: ``adopt_steps`` prepares what has changed (in slices, nothing visible yet), ``activate``
puts it into effect together with the new snapshot, ``sweep`` drops what the new configuration no longer
names. What did not change is not touched at all: its cursor, counts, averages, health and addresses go on.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Generator, Iterable

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

__all__ = ["Balancer", "NoPeer", "Peer", "Upstreams"]

# Hosts that plugins choose per request (set_target) are not named by any configuration; a client that could
# make up names must not make the table grow without end.
DYNAMIC_HOSTS_MAX = 1024
_UPSTREAMS_PER_STEP = 4
_HOST_WEIGHT = 100

Host = tuple[str, int]


class Upstreams:
    """See the module."""

    __slots__ = (
        "_bus",
        "_by_host",
        "_by_id",
        "_by_name",
        "_dynamic",
        "_named_hosts",
        "_named_ids",
        "_names",
        "_next_by_name",
        "_next_hosts",
        "_next_upstreams",
        "_setups",
        "_states",
    )

    def __init__(self, names: Names, bus: Bus | None = None) -> None:
        """``bus`` leads to the health registry; without one there are no passive checks."""
        self._names = names
        self._bus = bus
        self._by_id: dict[str, Balancer] = {}
        self._by_name: dict[str, Balancer] = {}
        self._by_host: dict[Host, Balancer] = {}
        self._dynamic: OrderedDict[Host, Balancer] = OrderedDict()
        self._setups: dict[str, Setup] = {}
        self._named_ids: frozenset[str] = frozenset()  # by the active configuration
        self._named_hosts: frozenset[Host] = frozenset()
        self._next_upstreams: dict[str, tuple[Upstream, Setup]] = {}
        self._next_hosts: set[Host] = set()
        self._states: defaultdict[str, dict[Address, str]] = defaultdict(dict)  # by upstream; not HEALTHY
        if bus is not None:
            bus.subscribe(STATE_TOPIC, self._hear)
            bus.publish(REPORT_TOPIC, SYNC)

    def for_upstream(self, upstream_id: str) -> Balancer:
        """Return the balancer of an Upstream that was adopted."""
        return self._by_id[upstream_id]

    def for_host(self, host: str, port: int) -> Balancer:
        """Return the balancer of a host that is no Upstream, made now if no service names it."""
        balancer = self._by_host.get((host, port))
        return balancer if balancer is not None else self._for_dynamic_host((host, port))

    def find(self, host: str, port: int) -> Balancer:
        """Return the balancer of a service with this host: an Upstream of that name goes first."""
        return self._by_name.get(host) or self.for_host(host, port)

    def adopt(self, upstreams: Iterable[Upstream], targets: Iterable[Target], hosts: Iterable[Host]) -> None:
        """Prepare and activate at once."""
        run(self.adopt_steps(upstreams, targets, hosts))
        self.activate()

    def adopt_steps(
        self, upstreams: Iterable[Upstream], targets: Iterable[Target], hosts: Iterable[Host]
    ) -> Generator[None, None, None]:
        """Prepare balancers for a configuration, in slices; until ``activate`` all works as before."""
        self.discard()
        targets_of: defaultdict[str, list[TargetSpec]] = defaultdict(list)
        for number, target in enumerate(targets):
            targets_of[target.upstream].append(TargetSpec.parse(target.target, target.weight))
            if number % 256 == 255:
                yield
        for number, upstream in enumerate(upstreams):
            yield from self._prepare(upstream, targets_of[upstream.id])
            if number % _UPSTREAMS_PER_STEP == _UPSTREAMS_PER_STEP - 1:
                yield
        for number, host in enumerate(hosts):
            yield from self._prepare_host(host)
            if number % _UPSTREAMS_PER_STEP == _UPSTREAMS_PER_STEP - 1:
                yield

    def activate(self) -> None:
        """Put what was prepared into effect."""
        for upstream_id, (upstream, setup) in self._next_upstreams.items():
            balancer = self._by_id[upstream_id]
            balancer.activate()
            balancer.configure(upstream)
            self._setups[upstream_id] = setup
        self._by_name = {
            upstream.name: self._by_id[key] for key, (upstream, _) in self._next_upstreams.items()
        }
        for host in self._next_hosts:
            self._by_host[host].activate()
        self._named_ids, self._named_hosts = frozenset(self._next_upstreams), frozenset(self._next_hosts)

    def discard(self) -> None:
        """Forget what was prepared but not activated."""
        for balancer in (*self._by_id.values(), *self._by_host.values()):
            balancer.discard()
        self._next_upstreams = {}
        self._next_hosts = set()

    def sweep(self) -> None:
        """Drop what the configuration activated last does not name."""
        for upstream_id in self._by_id.keys() - self._named_ids:
            self._by_id.pop(upstream_id).close()
            self._setups.pop(upstream_id, None)
            if not self._states[upstream_id]:
                del self._states[upstream_id]
        for host in self._by_host.keys() - self._named_hosts:
            self._by_host.pop(host).close()

    def _prepare(self, upstream: Upstream, targets: list[TargetSpec]) -> Generator[None, None, None]:
        setup = Setup(
            algorithm=upstream.algorithm,
            slots=upstream.slots,
            host_header=upstream.host_header,
            use_srv_name=upstream.use_srv_name,
            targets=tuple(sorted(targets)),
        )
        self._next_upstreams[upstream.id] = (upstream, setup)
        balancer = self._by_id.get(upstream.id)
        if balancer is None:
            balancer = self._by_id[upstream.id] = self._new_balancer(upstream.name, upstream.id)
        if self._setups.get(upstream.id) != setup:
            yield from balancer.prepare_steps(setup)

    def _prepare_host(self, host: Host) -> Generator[None, None, None]:
        self._next_hosts.add(host)
        balancer = self._by_host.get(host) or self._dynamic.get(host) or self._new_balancer(host[0], None)
        if host in self._dynamic:
            del self._dynamic[host]
        self._by_host[host] = balancer
        if not balancer.is_active:
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

    def _send_report(self, report: PassiveReport) -> None:
        if self._bus is not None:
            self._bus.publish(REPORT_TOPIC, report)

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


def _host_setup(host: Host) -> Setup:
    name, port = host
    plain = split_port(f"[{name}]")[0] if ":" in name else name
    target = TargetSpec(f"{name}:{port}", plain.strip("[]"), port, _HOST_WEIGHT)
    return Setup("round-robin", 0, None, False, (target,))
