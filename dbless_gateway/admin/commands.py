"""What the Admin API may ask of the processes: the whole interface, and the only way out of ``admin/``."""

from __future__ import annotations

from typing import Protocol

from dbless_gateway.runtime.report import NodeReport, ReloadReport


class Commands(Protocol):
    """Supplied by ``server``."""

    async def node(self) -> NodeReport:
        """Return the node's state, with fresh counts of its workers."""

    def node_now(self) -> NodeReport:
        """Return the node's state as last reported, without asking anybody."""

    async def reload(self) -> ReloadReport:
        """Load the configuration's files again and return when all workers serve them, or the old ones."""
