"""What is put around the steps of some plugins, once, when a configuration is compiled.

A plugin from elsewhere gets a latency metric of its own. A plugin that the settings name in
``plugin_fail_open`` cannot fail a request: its errors are logged, and the request goes on as if the step had
not been there. All other steps stay as they are, so they cost what they cost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from dbless_gateway.pdk.plugin import Host
from dbless_gateway.pdk.reply import Reply

if TYPE_CHECKING:
    import logging

PHASES = ("rewrite", "access", "response", "header_filter", "body_filter", "log")

Step = Callable[..., Any]
Observe = Callable[[int], None]


class Surrounded:
    """A handler with other steps in front of its own; everything else is the handler's."""

    def __init__(self, handler: Any, surround: Callable[[Step, str], Step]) -> None:
        self._handler = handler
        for phase in PHASES:
            step = getattr(handler, phase, None)
            if step is not None:
                setattr(self, phase, surround(step, phase))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)


def measured(handler: Any, plugin: str, host: Host) -> Any:
    """Return the handler with its steps measured."""
    return Surrounded(handler, lambda step, phase: _measured_step(step, _Latency(host, plugin, phase)))


def forgiven(handler: Any, log: logging.Logger) -> Any:
    """Return the handler with steps that do not fail."""
    return Surrounded(handler, lambda step, phase: _forgiven_step(step, phase, log))


class _Latency:
    """The metric of one step; looked up at its first use, since a host of a dry run has none."""

    __slots__ = ("_host", "_labels", "_observe")

    def __init__(self, host: Host, plugin: str, phase: str) -> None:
        self._host = host
        self._labels = (("plugin", plugin), ("phase", phase))
        self._observe: Observe | None = None

    def since(self, began_ns: int) -> None:
        """Count the time from then to now."""
        elapsed_us = (perf_counter_ns() - began_ns) // 1000
        if self._observe is None:
            self._observe = self._host.metrics.histogram("dbless_plugin_latency_us", self._labels)
        self._observe(elapsed_us)


def _measured_step(step: Step, latency: _Latency) -> Step:
    def run(*arguments: Any) -> Any:
        began_ns = perf_counter_ns()
        result = step(*arguments)
        if not _must_wait(result):
            latency.since(began_ns)
            return result
        return _until_done(result, began_ns, latency)

    return run


async def _until_done(result: Awaitable[Any], began_ns: int, latency: _Latency) -> Any:
    try:
        return await result
    finally:
        latency.since(began_ns)


def _forgiven_step(step: Step, phase: str, log: logging.Logger) -> Step:
    def run(*arguments: Any) -> Any:
        try:
            result = step(*arguments)
        except Exception:  # noqa: BLE001 - a plugin may raise anything
            _tell(log, phase)
            return None
        return _forgive_later(result, phase, log) if _must_wait(result) else result

    return run


async def _forgive_later(result: Awaitable[Any], phase: str, log: logging.Logger) -> Any:
    try:
        return await result
    except Exception:  # noqa: BLE001 - a plugin may raise anything
        _tell(log, phase)
        return None


def _must_wait(result: Any) -> bool:
    return not (result is None or isinstance(result, Reply | bytes))


def _tell(log: logging.Logger, phase: str) -> None:
    log.exception("failed in its phase %s; the request goes on without it", phase)
