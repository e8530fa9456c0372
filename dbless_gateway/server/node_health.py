"""The health of the node's targets: one registry and one prober, in the process that outlives the workers.

Workers report over the bus and hear every change over it. The supervisor resolves targets like one more
worker does, so that probes run without traffic; here all of them are told what each configuration says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.slices import Assembler
from dbless_gateway.runtime.bus import Bus
from dbless_gateway.runtime.health import HealthRegistry
from dbless_gateway.runtime.health_messages import Address
from dbless_gateway.runtime.prober import Prober
from dbless_gateway.runtime.resolver import Resolver
from dbless_gateway.runtime.upstreams import Upstreams
from dbless_gateway.server.dns import resolver_options
from dbless_gateway.server.receipts import Receipt, compare_plugins

# The registry forgets addresses five minutes after it last heard that they are there.
SWEEP_INTERVAL_S = 60.0
_ALGORITHM = "round-robin"


class NodeHealth:
    """See the module."""

    def __init__(self, bus: Bus, dns: Mapping[str, Any], ca_file: str | None = None) -> None:
        """``ca_file`` has the certificates that https checks trust; None: the system's."""
        self.registry = HealthRegistry(bus)
        self.upstreams = Upstreams(resolver := Resolver(resolver_options(dns)))
        self._resolver = resolver
        self._prober = Prober(self.upstreams, self.registry, ca_file)
        self._entities: Entities | None = None

    async def adopt(self, slices: Sequence[bytes], receipt: Receipt) -> None:
        """Check what this configuration says; what is known of targets that stay is kept."""
        entities = await assemble(slices)
        # Nobody picks here, so no upstream needs more than a turn: a hash ring of 10,000 slots takes a while.
        cheap = [replace(upstream, algorithm=_ALGORITHM) for upstream in entities.upstreams]
        await _pause_between(self.upstreams.adopt_steps(cheap, entities.targets, ()))
        self.upstreams.activate()
        anew = self.registry.adopt(entities.upstreams)
        self._prober.adopt(entities.upstreams)
        self.upstreams.sweep()
        receipt.count("plugins", await compare_plugins(self._entities, entities))
        receipt.count("health", {"addresses_kept": self.registry.known(), "upstreams_reset": len(anew)})
        receipt.explain([f"health of upstream {name} starts anew: its checks have changed" for name in anew])
        self._entities = entities

    async def sweep_regularly(self) -> None:
        """Let the registry forget addresses that are gone."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self.registry.sweep(self.addresses())

    async def close(self) -> None:
        """Stop probing and resolving."""
        await self._prober.close()
        await self._resolver.close()

    @property
    def entities(self) -> Entities | None:
        """What was adopted last."""
        return self._entities

    def addresses(self) -> Iterator[tuple[str, Address]]:
        """Yield each address that is there, with the id of its upstream."""
        for upstream in self._entities.upstreams if self._entities is not None else ():
            for peer in self.upstreams.for_upstream(upstream.id).peers:
                yield upstream.id, peer.checked_address


async def assemble(slices: Sequence[bytes]) -> Entities:
    """Put a configuration together a slice in each turn of the loop: probes must not wait for a large one."""
    assembler = Assembler()
    for data in slices:
        assembler.add(data)
        await asyncio.sleep(0)
    return assembler.entities()


async def _pause_between(steps: Generator[None, None, None]) -> None:
    for _ in steps:
        await asyncio.sleep(0)
