"""correlation-id: give each request an id that the target, the client and the logs see.

Kong's behaviour this follows: https://developer.konghq.com/plugins/correlation-id/ (3.9).
Differences: none known.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.correlation import Correlation, CounterGenerator, Generate, UuidGenerator
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.records import dataclass

NAME = "correlation-id"
PRIORITY = 100001


@dataclass(frozen=True, slots=True)
class Config:
    header_name: str | None
    generator: str
    echo_downstream: bool


class Handler:
    """Keeps the client's id or makes one."""

    # Not methods, because they are compiled: a frame of the interpreter around one would cost what it saves.
    access: Callable[[Context], None]
    header_filter: Callable[[Context], None]  # only where the client is told

    def __init__(self, config: Config, env: PluginEnv) -> None:
        correlation = Correlation(
            config.header_name or "Kong-Request-ID",
            _generator(config.generator, env),
            NAME,
            echoes=config.echo_downstream,
        )
        self.access = correlation.name_request
        if config.echo_downstream:
            self.header_filter = correlation.name_response


def _generator(kind: str, env: PluginEnv) -> Generate:
    if kind == "uuid":
        return UuidGenerator().make
    if kind == "tracker":
        now = env.host.now
        return lambda ctx: (
            f"{ctx.server_ip}-{ctx.port}-{os.getpid()}-{ctx.connection_serial}-{ctx.connection_requests}"
            f"-{now():.3f}"
        )
    return CounterGenerator().make
