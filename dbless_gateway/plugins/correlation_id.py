"""correlation-id: give each request an id that the target, the client and the logs see.

Kong's behaviour this follows: https://developer.konghq.com/plugins/correlation-id/ (3.9).
Differences: none known.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from uuid import uuid4

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.record import set_log_value
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

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._header_name = config.header_name or "Kong-Request-ID"
        self._generate = _generator(config.generator, env)
        self._echoes = config.echo_downstream

    def access(self, ctx: Context) -> None:
        """Name the request to the target and to the logs."""
        name = self._header_name
        correlation_id = (ctx.headers.get(name) or "").strip()
        if not correlation_id:
            correlation_id = self._generate(ctx)
            ctx.upstream.headers.set(name, correlation_id)
        set_log_value(ctx, "correlation_id", correlation_id)
        if self._echoes:
            ctx.shared[NAME] = correlation_id

    def header_filter(self, ctx: Context) -> None:
        """Name the request to the client, also when access never ran."""
        if not self._echoes:
            return
        name = self._header_name
        correlation_id = ctx.shared.get(NAME) or ctx.headers.get(name) or self._generate(ctx)
        ctx.response.headers.set(name, correlation_id)


def _generator(kind: str, env: PluginEnv) -> Callable[[Context], str]:
    if kind == "uuid":
        return lambda ctx: str(uuid4())
    if kind == "tracker":
        now = env.host.now
        return lambda ctx: (
            f"{ctx.server_ip}-{ctx.port}-{os.getpid()}-{ctx.connection_serial}-{ctx.connection_requests}"
            f"-{now():.3f}"
        )
    return _Counter()


class _Counter:
    """One random id per process, and a number."""

    __slots__ = ("_numbers", "_prefix")

    def __init__(self) -> None:
        self._prefix = ""
        self._numbers = count(1)

    def __call__(self, ctx: Context) -> str:
        # Made on first use: a handler may be made before the workers are forked, and each needs its own.
        if not self._prefix:
            self._prefix = f"{uuid4()}#"
        return f"{self._prefix}{next(self._numbers)}"
