"""What the Admin API may ask of the processes: the whole interface, and the only way out of ``admin/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from dbless_gateway.admin.catalog import Catalog
from dbless_gateway.admin.changes import Change, Written
from dbless_gateway.config.problems import Problem
from dbless_gateway.runtime.health_views import HealthViews
from dbless_gateway.runtime.report import NodeReport, ReloadReport


class Commands(Protocol):
    """Supplied by ``server``."""

    async def node(self) -> NodeReport:
        """Return the node's state, with fresh counts of its workers."""

    def node_now(self) -> NodeReport:
        """Return the node's state as last reported, without asking anybody."""

    async def reload(self) -> ReloadReport:
        """Load the configuration's files again and return when all workers serve them, or the old ones."""

    def drain(self) -> None:
        """Tell probes from now on that this node is to get no traffic; it serves all the same."""

    async def serve_text(self, text: str, *, persist: bool) -> Sequence[Problem]:
        """Serve a configuration until the files change next; return the problems because of which not.

        ``persist`` makes it the new content of the file. Raises a ``Failure`` when that cannot be.
        """

    def admin_token(self) -> str:
        """Return what requests to the Admin API must carry; empty: nothing."""

    def can_write(self) -> bool:
        """Tell whether entities may be changed."""

    async def write(self, change: Change) -> Written:
        """Change the file; return when all workers serve that. Raises a ``Failure`` when it cannot be."""

    def catalog(self) -> Catalog | None:
        """Return the entities that are served; None before the first configuration."""

    async def explain(self, query: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        """Rehearse a request with the entities that are served; return status and body of the answer."""

    def health(self) -> HealthViews | None:
        """Return the health of targets; None before the first configuration."""

    def request_metrics(self) -> tuple[str, int]:
        """Return what requests counted as Prometheus reads it, and how many series had no room.

        May be called in a thread.
        """

    def cached_response(self, cache_key: str) -> Mapping[str, object] | None:
        """Return what proxy-cache keeps under a key; None when that is nothing."""

    def forget_cached_response(self, cache_key: str) -> bool:
        """Drop what proxy-cache keeps under a key; tell whether there was something."""

    def forget_cached_responses(self) -> None:
        """Drop everything that proxy-cache keeps."""

    def settings(self) -> Mapping[str, object]:
        """Return the effective settings by name, secrets masked."""

    def log_level(self) -> str:
        """Return the least severity that is logged."""

    def set_log_level(self, level: str) -> None:
        """Log from this level on, in all processes."""
