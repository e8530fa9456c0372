"""What a worker refuses for want of room: how much it takes, and what the log says of it.

Room is connections of clients, requests in flight and file descriptors. Refusing is cheap and said once, not
for each client: a line when it begins, one when it is over. So a flood fills neither memory nor disk.
"""

from __future__ import annotations

import errno
import logging
import os
import resource

# Kong's rule for ``nginx_events_worker_connections = auto``.
_CONNECTIONS_MAX = 16384
_CONNECTIONS_MIN = 1024
# A request in flight holds a connection to its client and one to its target; nginx counts both alike.
_CONNECTIONS_PER_REQUEST = 2


def connection_limit(setting: int) -> int:
    """Return how many client connections a worker takes; 0 leaves it to the limit on descriptors."""
    if setting > 0:
        return setting
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(min(descriptors, _CONNECTIONS_MAX), _CONNECTIONS_MIN)


def request_limit(setting: int, connections: int) -> int:
    """Return how many requests may be in flight; 0: as many as these connections are enough for."""
    return setting if setting > 0 else max(connections // _CONNECTIONS_PER_REQUEST, 1)


class Overload:
    """Spells of refusing, of one worker."""

    __slots__ = ("_is_exhausted", "_log", "_refused", "_told", "refused_total")

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self.refused_total = 0
        self._refused = 0
        self._told = 0
        self._is_exhausted = False

    def refuse(self, what: str, limit: int) -> None:
        """Note that somebody was sent away because there are as many of ``what`` as may be."""
        if self._refused == 0:
            self._log.critical("overloaded: %d %s, more are answered with 503", limit, what)
        self._refused += 1
        self.refused_total += 1

    def sweep(self) -> None:
        """Look whether it is over; called about once a second."""
        if self._refused and self._refused == self._told:
            self._log.warning("no longer overloaded: %d were answered with 503", self._refused)
            self._refused = 0
        self._told = self._refused
        self._probe_descriptors()

    def _probe_descriptors(self) -> None:
        """Find out whether the loop can still accept: it closes what it has no descriptor for, unsaid."""
        try:
            os.close(os.dup(0))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or self._is_exhausted:
                return
            self._is_exhausted = True
            self._log.critical("out of file descriptors: new connections are closed (raise ulimit -n)")
        else:
            if self._is_exhausted:
                self._is_exhausted = False
                self._log.warning("there are file descriptors again")
