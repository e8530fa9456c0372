"""RuntimeState: the one root of everything that a worker has learned and that outlives a snapshot.

Keyed by stable identity, never by object, so a reload keeps it: ``adopt_steps`` prepares state for what is
new, ``activate`` goes with the swap, ``sweep`` drops what no snapshot names any more.
"""

from __future__ import annotations

from collections.abc import Generator

from dbless_gateway.runtime.plugin_host import PluginHost
from dbless_gateway.runtime.pools import Pools
from dbless_gateway.runtime.timers import Timers
from dbless_gateway.runtime.upstreams import Upstreams
from dbless_gateway.snapshot.model import Snapshot
from dbless_gateway.snapshot.plugin_timer import PluginTimer


class RuntimeState:
    """See the module."""

    __slots__ = ("_prepared_timers", "host", "pools", "timers", "upstreams")

    def __init__(self, upstreams: Upstreams, pools: Pools, host: PluginHost) -> None:
        self.upstreams = upstreams
        self.pools = pools
        self.host = host
        self.timers = Timers()
        self._prepared_timers: tuple[PluginTimer, ...] = ()

    def adopt_steps(self, snapshot: Snapshot) -> Generator[None, None, None]:
        """Prepare for a snapshot in slices; nothing that serves now is touched."""
        self._prepared_timers = snapshot.timers
        yield from self.upstreams.adopt_steps(snapshot.upstreams, snapshot.targets, snapshot.hosts)

    def activate(self) -> None:
        """Put what was prepared into effect, together with the swap of the snapshot."""
        self.upstreams.activate()
        self.timers.adopt(self._prepared_timers)

    def sweep(self) -> None:
        """Drop what the active snapshot does not name."""
        self.upstreams.sweep()
