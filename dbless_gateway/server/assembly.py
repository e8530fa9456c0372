"""The real engine of a worker: runtime and gateway, put together here and nowhere else."""

from __future__ import annotations

from dbless_gateway.server.bus import ChannelBus
from dbless_gateway.server.control import Boot
from dbless_gateway.server.engine import Engine


def assemble(boot: Boot, bus: ChannelBus) -> Engine:
    """Make the gateway of this worker."""
    raise NotImplementedError
