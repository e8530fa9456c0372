"""The node's bus over the control channels: what one process publishes, all others hear.

A worker's message goes to the supervisor, which hears it and hands it on to the other workers; the
supervisor's goes to all workers. Nobody hears its own. Delivery is in order for each sender and not
confirmed: whoever joins later must be told the present state by its keeper (``WorkerPool`` tells when a
worker has joined).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

_log = logging.getLogger(__name__)

Callback = Callable[[Any], None]
Send = Callable[[str, Any], None]


class ChannelBus:
    """A bus end in one process; ``send`` carries what is published here to the others."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._callbacks: dict[str, list[Callback]] = {}

    def publish(self, topic: str, payload: Any) -> None:
        """Tell all other processes of the node; the payload is plain data."""
        self._send(topic, payload)

    def subscribe(self, topic: str, callback: Callback) -> None:
        """Call back for each message of that topic from another process."""
        self._callbacks.setdefault(topic, []).append(callback)

    def deliver(self, topic: str, payload: Any) -> None:
        """Hand a message that arrived to this process's subscribers."""
        for callback in self._callbacks.get(topic, ()):
            try:
                callback(payload)
            except Exception:  # noqa: BLE001  # A subscriber's bug must not end the control channel.
                _log.exception("subscriber of %s failed", topic)
