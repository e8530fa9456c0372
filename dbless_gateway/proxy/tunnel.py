"""After an upgrade: bytes both ways, with flow control and an idle limit, until somebody closes.

Outlives reloads: it holds on to its two connections and to nothing of the configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbless_gateway.proxy.downstream import ClientConnection
    from dbless_gateway.proxy.exchange import Exchange
    from dbless_gateway.proxy.upstream import TargetConnection


class Tunnel:
    """See the module."""

    __slots__ = ("_client", "_exchange", "_idle_s", "_is_open", "_sent_bytes", "_target")

    def __init__(
        self, exchange: Exchange, client: ClientConnection, target: TargetConnection, idle_s: float
    ) -> None:
        self._exchange = exchange
        self._client = client
        self._target = target
        self._idle_s = idle_s
        self._sent_bytes = 0
        self._is_open = False

    def open(self) -> None:
        """Take over both connections."""
        self._is_open = True
        self._client.tunnel = self
        self._target.tunnel = self
        self._touch()
        early = self._client.take_rest()
        if early:
            self.from_client(early)

    def _touch(self) -> None:
        self._client.deadline = self._exchange.gateway.now + self._idle_s

    def from_client(self, data: bytes) -> None:
        """Pass on to the target."""
        self._touch()
        self._target.write(data)

    def from_target(self, data: bytes) -> None:
        """Pass on to the client."""
        self._touch()
        self._sent_bytes += len(data)
        self._client.write(data)

    def client_full(self) -> None:
        """The client takes no more for now."""
        self._target.pause_reading()

    def client_writable(self) -> None:
        """It does again."""
        self._target.resume_reading()

    def target_full(self) -> None:
        """The target takes no more for now."""
        self._client.pause_reading()

    def target_writable(self) -> None:
        """It does again."""
        self._client.resume_reading()

    def client_lost(self) -> None:
        """The client has closed."""
        self.close()

    def target_lost(self) -> None:
        """The target has closed."""
        self.close()

    def close(self) -> None:
        """End both connections, unsent bytes first."""
        if not self._is_open:
            return
        self._is_open = False
        self._client.tunnel = None
        self._target.tunnel = None
        self._target.close()
        self._exchange.guarded(self._exchange.on_tunnel_closed, self._sent_bytes)
