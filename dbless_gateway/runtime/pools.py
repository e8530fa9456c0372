"""Idle connections to targets, by endpoint.

A key names everything that makes two connections interchangeable: address, and for TLS the SNI, trust and
client certificate. Taking is last in, first out (the warmest connection), retiring is oldest first; nothing
is ever scanned on a request. A connection that its target closed stays in its place until it is met, marked
``closed``.

Knows nothing of HTTP: whoever gives a connection back vouches that it is idle and clean.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Protocol


class IdleConnection(Protocol):
    """What the pool needs of a connection."""

    closed: bool
    idle_since: float

    def close(self) -> None:
        """Close it; also sets ``closed``."""


class Pools:
    """Idle connections of one worker."""

    __slots__ = ("_idle", "idle_timeout_s", "limit")

    def __init__(self, limit: int, idle_timeout_s: float) -> None:
        """``limit``: idle connections per endpoint, 0 keeps none; ``idle_timeout_s``: 0 keeps them for
        ever.
        """
        self.limit = limit
        self.idle_timeout_s = idle_timeout_s
        self._idle: dict[Hashable, deque[IdleConnection]] = {}

    def take(self, key: Hashable) -> IdleConnection | None:
        """Return the most recently used idle connection, or None."""
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        return None

    def give(self, key: Hashable, connection: IdleConnection, now_s: float) -> None:
        """Keep an idle connection; beyond the limit the oldest is closed."""
        if self.limit <= 0:
            connection.close()
            return
        connection.idle_since = now_s
        idle = self._idle.get(key)
        if idle is None:
            idle = self._idle[key] = deque()
        elif len(idle) >= self.limit:
            idle.popleft().close()
        idle.append(connection)

    def sweep(self, now_s: float) -> None:
        """Close what has been idle for too long, and forget what is closed."""
        oldest = now_s - self.idle_timeout_s if self.idle_timeout_s > 0 else float("-inf")
        for key in list(self._idle):
            idle = self._idle[key]
            while idle and (idle[0].closed or idle[0].idle_since <= oldest):
                idle.popleft().close()
            if not idle:
                del self._idle[key]

    def retain(self, keys: Iterable[Hashable]) -> None:
        """Close the connections of every endpoint that is not named."""
        for key in self._idle.keys() - set(keys):
            for connection in self._idle.pop(key):
                connection.close()

    def count(self) -> int:
        """Return how many idle connections are kept."""
        return sum(len(idle) for idle in self._idle.values())

    def close(self) -> None:
        """Close them all."""
        self.retain(())
