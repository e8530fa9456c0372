"""The way of log records from finished requests to a receiver: one queue per receiver, made on first use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.plugin import PluginEnv, Queue
from dbless_gateway.pdk.record import Recorder


class RecordQueue:
    """What the log plugins put records into; instances that give the same ``name`` share a queue."""

    def __init__(
        self,
        env: PluginEnv,
        name: str,
        parameters: dict[str, Any],
        custom_fields: dict[str, str] | None,
        send: Callable[[Sequence[bytes]], Awaitable[None]],
    ) -> None:
        self._env = env
        self._name = name
        self._parameters = parameters
        self._recorder = Recorder(env, custom_fields)
        self._send = send
        self._queue: Queue | None = None

    def put(self, ctx: Context) -> None:
        """Queue the record of a finished request, as JSON."""
        if self._queue is None:
            self._queue = self._env.host.queue(self._name, self._parameters, self._send)
        self._queue.put(self._recorder.json(ctx))
