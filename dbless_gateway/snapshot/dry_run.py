"""A host for plugins that are compiled but never run, as ``validate`` and the loader do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

from dbless_gateway import __version__


class DryRunHost:
    """Satisfies ``pdk.plugin.Host``; whatever a handler's constructor must not touch is not there."""

    node_id = "00000000-0000-0000-0000-000000000000"
    version = __version__

    @property
    def counters(self) -> Any:
        """A place-holder: a constructor may keep it, not use it."""
        return None

    @property
    def cache(self) -> Any:
        """A place-holder: a constructor may keep it, not use it."""
        return None

    def now(self) -> float:
        """Plugins that are not run have no time."""
        return 0.0

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> NoReturn:
        """There is nothing to send."""
        raise RuntimeError("a handler's constructor must not open queues")
