"""A host for plugins that are compiled but never run, as ``validate`` and the loader do.

A handler's constructor may take hold of what the host lends, down to a bound method; using it is a bug, and
raises.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn, TypeVar

from dbless_gateway import __version__
from dbless_gateway.pdk.plugin import Cache, Counters, Metrics

T = TypeVar("T")


class _Idle:
    """Counters, cache and metrics in one: there to be held, not to be used."""

    entry_limit_bytes = 0

    def increment(self, key: str, amount: int, limit: float | None, expires_at: float) -> NoReturn:
        """Refuse."""
        raise _refusal()

    def read(self, key: str) -> NoReturn:
        """Refuse."""
        raise _refusal()

    def get(self, key: bytes) -> NoReturn:
        """Refuse."""
        raise _refusal()

    def find(self, key: bytes, decode: Callable[[bytes], T]) -> NoReturn:
        """Refuse."""
        raise _refusal()

    def put(self, key: bytes, value: bytes, ttl_s: float) -> NoReturn:
        """Refuse."""
        raise _refusal()

    def delete(self, key: bytes) -> NoReturn:
        """Refuse."""
        raise _refusal()

    def clear(self) -> NoReturn:
        """Refuse."""
        raise _refusal()

    def counter(self, name: str, labels: Sequence[tuple[str, str]]) -> NoReturn:
        """Refuse."""
        raise _refusal()

    def histogram(self, name: str, labels: Sequence[tuple[str, str]]) -> NoReturn:
        """Refuse."""
        raise _refusal()


class DryRunHost:
    """Satisfies ``pdk.plugin.Host``."""

    node_id = "00000000-0000-0000-0000-000000000000"
    version = __version__
    trusted_file: str | None = None

    def __init__(self) -> None:
        self.counters: Counters = _Idle()
        self.cache: Cache = _Idle()
        self.metrics: Metrics = _Idle()

    # Static, so that no plugin's loan holds a bound method of its own: there may be thousands.

    @staticmethod
    def now() -> float:
        """Plugins that are not run have no time."""
        return 0.0

    @staticmethod
    def secret(purpose: str) -> NoReturn:
        """There is nothing to hide."""
        raise _refusal()

    def resource(self, name: str, make: Callable[[], T]) -> T:
        """There is nothing to hold."""
        raise _refusal()

    def queue(
        self, name: str, parameters: dict[str, Any], send: Callable[[Sequence[Any]], Awaitable[None]]
    ) -> NoReturn:
        """There is nothing to send."""
        raise _refusal()


def _refusal() -> RuntimeError:
    return RuntimeError("a handler's constructor must not use the host")
