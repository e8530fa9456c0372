"""A lineup: the targets of one upstream under one configuration, their addresses, and the plan made of them.

It answers "which peers are there now, and who picks among them"; it knows nothing of requests, failures or
health rules.

Preparing a lineup changes nothing that traffic can see: peers are looked up or made, names start to resolve,
the plan is built. Only ``install`` assigns seats and weights to the (shared) peers. From then on a changed
DNS answer makes the lineup build and install its next plan by itself, in slices between other events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple, Protocol

from dbless_gateway.balancing import ALGORITHMS
from dbless_gateway.balancing.plan import Picker, Roster, Seat
from dbless_gateway.runtime.dns_answer import Answer, Record
from dbless_gateway.runtime.peer import Peer, PeerId, is_ip, split_port

# Between two slices of a plan built in the background other events get their turn.
_SLICE_S = 0.001
_TARGETS_PER_STEP = 32


class TargetSpec(NamedTuple):
    """One target as configured; for a service's own host the ``weight`` is of no consequence."""

    target: str
    host: str
    port: int
    weight: int

    @classmethod
    def parse(cls, target: str, weight: int) -> TargetSpec:
        """Read a normalised ``host:port``."""
        host, port = split_port(target)
        if port is None:
            raise ValueError(f"target without port: {target!r}")
        return cls(target, host, port, weight)


@dataclass(frozen=True, slots=True)
class Setup:
    """What of the configuration decides a lineup."""

    algorithm: str
    slots: int
    host_header: str | None
    use_srv_name: bool
    targets: tuple[TargetSpec, ...]


class Watch(Protocol):
    """A name that is kept resolved."""

    @property
    def answer(self) -> Answer | None: ...  # None: the first resolution is still running

    def close(self) -> None: ...


class Names(Protocol):
    """What a lineup needs of the resolver."""

    def watch(self, name: str, changed: Callable[[], None]) -> Watch: ...


class Placement(NamedTuple):
    """A peer and how this lineup uses it."""

    peer: Peer
    weight: int
    host_header: str


class Member:
    """One target of a lineup and its addresses."""

    __slots__ = ("_setup", "placements", "spec", "watch")

    def __init__(self, spec: TargetSpec, setup: Setup) -> None:
        self.spec = spec
        self.watch: Watch | None = None
        self.placements: tuple[Placement, ...] = ()
        self._setup = setup

    @property
    def answer(self) -> Answer | None:
        """What DNS says about the target; None for an address, and while nothing is known yet."""
        return self.watch.answer if self.watch else None

    @property
    def is_pending(self) -> bool:
        """Whether the first resolution is still running."""
        return self.watch is not None and self.watch.answer is None

    def place(self, peer_of: Callable[[PeerId], Peer]) -> None:
        """Bring the placements up to date with the answer."""
        if self.watch is None:
            records: tuple[Record, ...] = (Record(self.spec.host, self.spec.host, 0, None),)
        else:
            records = self.watch.answer.records if self.watch.answer else ()
        # A name may come with the same address twice; the second one would be the same peer.
        placements = [self._placement(record, peer_of) for record in records]
        self.placements = tuple({placement.peer.id: placement for placement in placements}.values())

    def _placement(self, record: Record, peer_of: Callable[[PeerId], Peer]) -> Placement:
        spec = self.spec
        by_srv = record.weight is not None
        host = record.name if by_srv and self._setup.use_srv_name else spec.host
        peer = peer_of(PeerId(spec.target, host, record.ip, record.port or spec.port))
        weight = spec.weight
        # An SRV record's own weight counts, but a target switched off stays off.
        if record.weight is not None and spec.weight:
            weight = record.weight
        return Placement(peer, weight, self._setup.host_header or host)


class Lineup:
    """See the module."""

    __slots__ = (
        "_installed",
        "_is_closed",
        "_is_outdated",
        "_names",
        "_peer_of",
        "is_building",
        "members",
        "peers",
        "picker",
        "roster",
        "setup",
    )

    def __init__(self, setup: Setup, names: Names, peer_of: Callable[[PeerId], Peer]) -> None:
        self.setup = setup
        self.members: list[Member] = []
        self.roster = Roster.of(())
        self.peers: tuple[Peer, ...] = ()  # by seat
        self.picker: Picker | None = None
        self.is_building = False
        self._names = names
        self._peer_of = peer_of
        self._is_outdated = False  # an answer has changed since the addresses were last looked at
        self._is_closed = False
        self._installed: Callable[[], None] | None = None  # called after each later plan

    def prepare_steps(self, previous: Picker | None) -> Generator[None, None, None]:
        """Make the members and the first plan, in slices."""
        self.is_building = True
        for number, spec in enumerate(self.setup.targets, 1):
            member = Member(spec, self.setup)
            if not is_ip(spec.host):
                member.watch = self._names.watch(spec.host, self._rebuild)
            self.members.append(member)
            if number % _TARGETS_PER_STEP == 0:
                yield
        yield from self._build_steps(previous)
        self._finish()

    def install(self, installed: Callable[[], None]) -> None:
        """Put the prepared plan into effect, and each later one; ``installed`` is told of each."""
        self._installed = installed
        self._assign()

    def close(self) -> None:
        """Stop watching names."""
        self._installed = None
        self._is_closed = True
        for member in self.members:
            if member.watch is not None:
                member.watch.close()
        # A watch refers to its lineup; the circle must not wait for the collector, which a worker freezes.
        self.members = []

    @property
    def is_pending(self) -> bool:
        """Whether addresses may still appear by themselves: an answer or a plan is on its way."""
        return self.is_building or any(member.is_pending for member in self.members)

    def _build_steps(self, previous: Picker | None) -> Generator[None, None, None]:
        """Build a plan of the present addresses."""
        self._is_outdated = False
        for member in self.members:
            member.place(self._peer_of)
        seated = sorted(self._seated(), key=lambda pair: pair[0])
        peers = tuple(peer for _, peer in seated)
        seats = tuple(seat for seat, _ in seated)
        available = bytearray([peer.available for peer in peers])
        roster = Roster(seats, peers, available, [seat.weight for seat in seats])
        picker = yield from ALGORITHMS[self.setup.algorithm](roster, self.setup.slots, previous)
        self.roster, self.peers, self.picker = roster, peers, picker

    def _seated(self) -> list[tuple[Seat, Peer]]:
        return [
            (Seat(member.spec.host, member.spec.port, peer.ip, peer.port, weight), peer)
            for member in self.members
            for peer, weight, _ in member.placements
            if weight > 0
        ]

    def _rebuild(self) -> None:
        """Take notice that a name has another answer; a plan under way is finished first."""
        self._is_outdated = True
        if not self.is_building:
            self._start()

    def _start(self) -> None:
        self.is_building = True
        # Not at once: answers that arrive together make one plan.
        asyncio.get_running_loop().call_soon(self._continue, self._build_steps(self.picker))

    def _continue(self, steps: Generator[None, None, None]) -> None:
        if self._is_closed:
            return
        stop_at = monotonic() + _SLICE_S
        try:
            while monotonic() < stop_at:
                next(steps)
        except StopIteration:
            self._finish()
        else:
            asyncio.get_running_loop().call_soon(self._continue, steps)

    def _finish(self) -> None:
        self.is_building = self._is_outdated
        if self._installed is not None:
            self._assign()
        if self.is_building:
            self._start()

    def _assign(self) -> None:
        for member in self.members:
            for peer, weight, host_header in member.placements:
                peer.seat = -1
                peer.weight = weight
                peer.name_as(host_header)
        for seat, peer in enumerate(self.peers):
            peer.seat = seat
        if self._installed is not None:
            self._installed()
