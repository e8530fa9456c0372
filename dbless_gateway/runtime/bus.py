"""The bus: how parts of one node tell each other things, whichever of its processes they run in.

A published message reaches every subscriber of its topic on the node except the publisher's own process
(where it would be an echo), in the order of publishing; delivery is not confirmed. Payloads are plain values
that can be pickled. The control channel between supervisor and workers implements this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Callback = Callable[[Any], None]


class Bus(Protocol):
    """See the module."""

    def publish(self, topic: str, payload: Any) -> None:
        """Send ``payload`` to all who subscribed to ``topic`` elsewhere."""

    def subscribe(self, topic: str, callback: Callback) -> None:
        """Call ``callback`` with each payload that comes under ``topic``."""
