"""When which addresses are actively checked: one prober per node, never one per worker.

Each upstream with active checks has up to two rounds of its own: one over the addresses that count as
available (``healthy.interval``), one over the others (``unhealthy.interval``). A round waits for the one
before it, an address is never checked twice at a time, and pauses vary a little so that nodes and upstreams
do not fall into step. The first round comes one interval after the start.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable

from dbless_gateway.balancing.health import is_available
from dbless_gateway.config.entities import Upstream
from dbless_gateway.runtime.health import HealthRegistry
from dbless_gateway.runtime.health_messages import Address
from dbless_gateway.runtime.probe import PROBE_TYPES, Probe
from dbless_gateway.runtime.upstreams import Upstreams

_log = logging.getLogger(__name__)

_JITTER_SHARE = 0.1
# An interval below this would be a busy loop against the target; Kong's scheduler has the same resolution.
_INTERVAL_MIN_S = 0.1
# Sockets of probes at any one time on the whole node, whatever each upstream's ``concurrency`` says.
_CONCURRENCY_MAX = 256


class Prober:
    """See the module."""

    def __init__(self, upstreams: Upstreams, registry: HealthRegistry, ca_file: str | None = None) -> None:
        """``upstreams`` knows the addresses; ``ca_file`` has the certificates that https checks trust."""
        self._upstreams = upstreams
        self._registry = registry
        self._ca_file = ca_file
        self._gate = asyncio.Semaphore(_CONCURRENCY_MAX)
        self._rounds: dict[str, _Rounds] = {}

    def adopt(self, upstreams: Iterable[Upstream]) -> None:
        """Check what a configuration asks for; the rounds of unchanged checks go on undisturbed."""
        kept: dict[str, _Rounds] = {}
        for upstream in upstreams:
            if not _is_active(upstream):
                continue
            rounds = self._rounds.get(upstream.id)
            probe = Probe.of(upstream, self._ca_file)
            if rounds is None or not rounds.fits(upstream, probe):
                kept[upstream.id] = _Rounds(upstream, probe, self._upstreams, self._registry, self._gate)
            else:
                kept[upstream.id] = self._rounds.pop(upstream.id)
        for rounds in self._rounds.values():
            rounds.cancel()
        self._rounds = kept

    async def close(self) -> None:
        """Stop checking."""
        tasks = [task for rounds in self._rounds.values() for task in rounds.tasks]
        self.adopt(())
        await asyncio.gather(*tasks, return_exceptions=True)


class _Rounds:
    """The checks of one upstream."""

    __slots__ = ("_busy", "_gates", "_probe", "_registry", "_upstream", "_upstreams", "tasks")

    def __init__(
        self,
        upstream: Upstream,
        probe: Probe,
        upstreams: Upstreams,
        registry: HealthRegistry,
        node_gate: asyncio.Semaphore,
    ) -> None:
        self._upstream = upstream
        self._probe = probe
        self._upstreams = upstreams
        self._registry = registry
        active = upstream.healthchecks.active
        self._gates = (asyncio.Semaphore(active.concurrency), node_gate)
        self._busy: set[Address] = set()
        loop = asyncio.get_running_loop()
        intervals = ((active.healthy.interval, True), (active.unhealthy.interval, False))
        self.tasks = [loop.create_task(self._repeat(*which)) for which in intervals if which[0] > 0]

    def fits(self, upstream: Upstream, probe: Probe) -> bool:
        """Return whether these rounds are those that ``upstream`` asks for."""
        return probe == self._probe and upstream.healthchecks.active == self._upstream.healthchecks.active

    def cancel(self) -> None:
        """Stop, in the middle of a probe if need be."""
        for task in self.tasks:
            task.cancel()

    async def _repeat(self, interval_s: float, of_available: bool) -> None:
        loop = asyncio.get_running_loop()
        interval_s = max(interval_s, _INTERVAL_MIN_S)
        began_at = loop.time()
        while True:
            pause_s = interval_s * random.uniform(1 - _JITTER_SHARE, 1 + _JITTER_SHARE)
            await asyncio.sleep(max(began_at + pause_s - loop.time(), _INTERVAL_MIN_S))
            began_at = loop.time()
            await asyncio.gather(*map(self._check, self._addresses(of_available)))

    def _addresses(self, of_available: bool) -> list[Address]:
        upstream_id = self._upstream.id
        peers = self._upstreams.for_upstream(upstream_id).peers
        addresses = {peer.checked_address for peer in peers if peer.weight > 0} - self._busy
        state = self._registry.state
        return [found for found in addresses if is_available(state(upstream_id, found)) is of_available]

    async def _check(self, address: Address) -> None:
        upstream_id = self._upstream.id
        self._busy.add(address)
        try:
            async with self._gates[0], self._gates[1]:
                status, report, detail = await self._probe.check(address)
        finally:
            self._busy.discard(address)
        if report is not None:
            self._registry.report_probe(upstream_id, address, report, detail)
        else:
            self._registry.report_probe_status(upstream_id, address, status)


def _is_active(upstream: Upstream) -> bool:
    active = upstream.healthchecks.active
    if not (active.healthy.interval or active.unhealthy.interval):
        return False
    if active.type not in PROBE_TYPES:
        _log.warning("upstream %s: active checks of type %s are not carried out", upstream.name, active.type)
        return False
    return True
