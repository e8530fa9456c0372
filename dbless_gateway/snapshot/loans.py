"""What one handler has borrowed from its host: names of queues and resources, so that they can be given back.

Every handler of a snapshot has a ``Loan`` for a host. It adds nothing to what a request costs: a resource is
found in it as fast as in the host, and the rest is the host's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from dbless_gateway.pdk.plugin import Host, Queue

T = TypeVar("T")


class Loan:
    """Satisfies ``pdk.plugin.Host``. ``config`` is the plugin's, as configured."""

    __slots__ = (
        "_host",
        "cache",
        "config",
        "counters",
        "metrics",
        "node_id",
        "now",
        "queues",
        "resources",
        "secret",
        "trusted_file",
        "version",
    )

    def __init__(self, host: Host, config: Any) -> None:
        self._host = host
        self.config = config
        self.resources: dict[str, Any] = {}
        # Most plugins have none, and the empty one takes no memory.
        self.queues: frozenset[str] = frozenset()
        self.node_id = host.node_id
        self.version = host.version
        self.trusted_file = host.trusted_file
        self.counters = host.counters
        self.cache = host.cache
        self.metrics = host.metrics
        self.now = host.now
        self.secret = host.secret

    def resource(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` made on the first use of that name by anyone."""
        found: T | None = self.resources.get(name)
        if found is None:
            found = self.resources[name] = self._host.resource(name, make)
        return found

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> Queue:
        """Return the queue of that name."""
        self.queues |= {name}
        return self._host.queue(name, parameters, send)

    @property
    def is_used(self) -> bool:
        """Tell whether something is borrowed."""
        return bool(self.resources or self.queues)

    def pass_to(self, successor: Loan) -> None:
        """Let the same plugin's next handler keep it, which may not have had a request yet."""
        successor.resources = self.resources | successor.resources
        successor.queues |= self.queues

    def end(self) -> None:
        """Borrow nothing any more; an exchange that still runs on the old snapshot asks the host anew."""
        self.resources = {}
        self.queues = frozenset()
