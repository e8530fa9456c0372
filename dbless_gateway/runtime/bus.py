"""The bus: how parts of one node tell each other things, whichever of its processes they run in.

A published message reaches every subscriber of its topic on the node except the publisher's own process
(where it would be an echo), in the order of publishing; delivery is not confirmed. Payloads are plain values
that can be pickled. The control channel between supervisor and workers implements this; ``LocalBus`` is the
same within one process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol

Callback = Callable[[Any], None]


class Bus(Protocol):
    """See the module."""

    def publish(self, topic: str, payload: Any) -> None:
        """Send ``payload`` to all who subscribed to ``topic`` elsewhere."""

    def subscribe(self, topic: str, callback: Callback) -> None:
        """Call ``callback`` with each payload that comes under ``topic``."""


class LocalBus:
    """A bus whose ends live in one process: each ``end`` stands for what would be a process of its own."""

    def __init__(self) -> None:
        self._subscriptions: defaultdict[str, list[tuple[LocalEnd, Callback]]] = defaultdict(list)

    def end(self) -> LocalEnd:
        """Return one more end."""
        return LocalEnd(self._subscriptions)


class LocalEnd:
    """One end of a ``LocalBus``; a ``Bus``."""

    def __init__(self, subscriptions: defaultdict[str, list[tuple[LocalEnd, Callback]]]) -> None:
        self._subscriptions = subscriptions

    def publish(self, topic: str, payload: Any) -> None:
        """Deliver at once to the subscribers at other ends."""
        for end, callback in tuple(self._subscriptions[topic]):
            if end is not self:
                callback(payload)

    def subscribe(self, topic: str, callback: Callback) -> None:
        """Hear what other ends publish."""
        self._subscriptions[topic].append((self, callback))
