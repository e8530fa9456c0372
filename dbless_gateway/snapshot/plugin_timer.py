"""What plugins do for themselves, whatever requests come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dbless_gateway.config.records import dataclass

if TYPE_CHECKING:
    import logging


@dataclass(frozen=True, slots=True)
class PluginTimer:
    """What a plugin does every now and then, in each worker, while its configuration is served."""

    plugin_id: str
    period_s: float
    run: Callable[[], Any]  # may return an awaitable
    log: logging.Logger
