"""udp-log: send a JSON datagram per request.

Kong's behaviour this follows: https://developer.konghq.com/plugins/udp-log/ (3.9).
Differences: of ``custom_fields_by_lua`` only ``return <expression>`` is supported.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.queue_config import fire_and_forget
from dbless_gateway.pdk.record_queue import RecordQueue
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.senders import UdpSender

NAME = "udp-log"
PRIORITY = 8


@dataclass(frozen=True, slots=True)
class Config:
    host: str
    port: int
    timeout: float | None
    custom_fields_by_lua: dict[str, str] | None


class Handler:
    """Instances with the same receiver share a socket."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._env = env
        self._name = f"{NAME}:{config.host}:{config.port}:{config.timeout}"
        custom_fields = config.custom_fields_by_lua
        self._records = RecordQueue(env, self._name, fire_and_forget(), custom_fields, self.send)

    def log(self, ctx: Context) -> None:
        """Queue the datagram."""
        self._records.put(ctx)

    async def send(self, datagrams: Sequence[bytes]) -> None:
        """Send each as it is; one that is too large for a datagram is lost."""
        await self._env.host.resource(self._name, self._make_sender).send(datagrams)

    def _make_sender(self) -> UdpSender:
        timeout_ms = 10_000 if self._config.timeout is None else self._config.timeout
        return UdpSender(self._config.host, self._config.port, timeout_ms / 1000)
