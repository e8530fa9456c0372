"""A bus within one process, for tests of what its ends tell each other."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from dbless_gateway.runtime.bus import Callback


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
