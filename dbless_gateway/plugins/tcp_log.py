"""tcp-log: send a JSON line per request over TCP, with TLS if wanted.

Kong's behaviour this follows: https://developer.konghq.com/plugins/tcp-log/ (3.9).
Differences: of ``custom_fields_by_lua`` only ``return <expression>`` is supported; lines that wait for a
connection are bounded, and sent together.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.queue_config import fire_and_forget
from dbless_gateway.pdk.record_queue import RecordQueue
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.senders import TcpSender

NAME = "tcp-log"
PRIORITY = 7


@dataclass(frozen=True, slots=True)
class Config:
    host: str
    port: int
    timeout: float | None
    keepalive: float | None
    tls: bool
    tls_sni: str | None
    custom_fields_by_lua: dict[str, str] | None


class Handler:
    """Instances with the same receiver share a connection."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._env = env
        # With the times, so that a reload that changes them makes a new connection.
        times = f"{config.timeout}:{config.keepalive}"
        self._name = f"{NAME}:{config.host}:{config.port}:{config.tls}:{config.tls_sni}:{times}"
        custom_fields = config.custom_fields_by_lua
        self._records = RecordQueue(env, self._name, fire_and_forget(), custom_fields, self.send)

    def log(self, ctx: Context) -> None:
        """Queue the line."""
        self._records.put(ctx)

    async def send(self, records: Sequence[bytes]) -> None:
        """Send lines on the shared connection."""
        sender = self._env.host.resource(self._name, self._make_sender)
        await sender.send(b"\n".join((*records, b"")))

    def _make_sender(self) -> TcpSender:
        config = self._config
        timeout_ms = 10_000 if config.timeout is None else config.timeout
        keepalive_ms = 60_000 if config.keepalive is None else config.keepalive
        return TcpSender(
            config.host,
            config.port,
            timeout_s=timeout_ms / 1000,
            keepalive_s=keepalive_ms / 1000,
            tls=config.tls,
            sni=config.tls_sni,
        )
