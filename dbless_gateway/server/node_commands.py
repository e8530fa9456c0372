"""What the Admin API may ask of this node, answered by its supervisor.

The one implementation of ``admin/commands.py``. Nothing is decided here that the supervisor does not know of:
it holds what the API needs beside the supervisor's own business, such as an index of what is served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from dbless_gateway.admin.catalog import Catalog
from dbless_gateway.admin.changes import Change, Written
from dbless_gateway.config.problems import Problem
from dbless_gateway.pdk.cache_keys import storage_key
from dbless_gateway.plugins.proxy_cache import describe_stored
from dbless_gateway.runtime.health_views import HealthViews
from dbless_gateway.runtime.report import NodeReport, ReloadReport
from dbless_gateway.server.configurations import Configurations
from dbless_gateway.server.explaining import Explainer, ExplainerFailed
from dbless_gateway.server.loading import Configuration
from dbless_gateway.server.options import ServerSettings
from dbless_gateway.server.writer import ConfigurationWriter

if TYPE_CHECKING:
    from dbless_gateway.server.node_health import NodeHealth
    from dbless_gateway.server.shared import SharedState


class Node(Protocol):
    """The supervisor, as far as it is needed here."""

    @property
    def configurations(self) -> Configurations: ...

    @property
    def health(self) -> NodeHealth | None: ...

    @property
    def shared(self) -> SharedState | None: ...

    async def node(self) -> NodeReport: ...

    def node_now(self) -> NodeReport: ...

    async def reload(self) -> ReloadReport: ...

    async def serve(self, supply: Callable[[], Configuration | None]) -> ReloadReport | None: ...

    def start_draining(self) -> None: ...

    def wrote(self, file: str, text: str) -> None: ...

    def set_log_level(self, level: str) -> None: ...


class NodeCommands:
    """See the module."""

    def __init__(self, node: Node, settings: ServerSettings) -> None:
        self._node = node
        self._settings = settings
        self._log_level = settings.log_level
        self._catalog: Catalog | None = None
        self._writer = ConfigurationWriter(node, settings)
        self._explainer = Explainer(settings.proxy)

    async def close(self) -> None:
        """End what only the Admin API needs."""
        await self._writer.close()

    async def node(self) -> NodeReport:
        """Return the node's state, with fresh counts of its workers."""
        return await self._node.node()

    def node_now(self) -> NodeReport:
        """Return the node's state as last reported."""
        return self._node.node_now()

    async def reload(self) -> ReloadReport:
        """Load the configuration's files again."""
        return await self._node.reload()

    def drain(self) -> None:
        """Be not ready any more."""
        self._node.start_draining()

    async def serve_text(self, text: str, *, persist: bool) -> Sequence[Problem]:
        """Serve a text until the files change next, or put it into the file."""
        return await self._writer.serve_text(text, persist=persist)

    def admin_token(self) -> str:
        """Return the token of the settings."""
        return self._settings.admin_token

    def can_write(self) -> bool:
        """Tell whether the settings allow writes."""
        return self._settings.admin_write

    async def write(self, change: Change) -> Written:
        """Change the file and serve it."""
        return await self._writer.write(change)

    def catalog(self) -> Catalog | None:
        """Return the entities that are served."""
        health = self._node.health
        entities = health.entities if health is not None else None
        if entities is None:
            return None
        if self._catalog is None or self._catalog.entities is not entities:
            self._catalog = Catalog(entities)
        return self._catalog

    async def explain(self, query: Mapping[str, str]) -> tuple[int, dict[str, object]]:
        """Rehearse a request in a process of its own."""
        catalog = self.catalog()
        if catalog is None:
            return 503, {"message": "no configuration is served yet"}
        try:
            return await self._explainer.explain(catalog.entities, query)
        except ExplainerFailed as error:
            return 500, {"message": str(error)}

    def health(self) -> HealthViews | None:
        """Return the health of targets."""
        health = self._node.health
        return HealthViews(health.upstreams, health.registry) if health is not None else None

    def request_metrics(self) -> tuple[str, int]:
        """Return what all workers counted, since the start of the node."""
        shared = self._node.shared
        return (shared.exposition.render(), shared.metrics.errors) if shared is not None else ("", 0)

    def cached_response(self, cache_key: str) -> Mapping[str, object] | None:
        """Return what the workers share under that key."""
        shared = self._node.shared
        stored = shared.cache.get(storage_key(cache_key)) if shared is not None else None
        return describe_stored(stored) if stored is not None else None

    def forget_cached_response(self, cache_key: str) -> bool:
        """Drop it for all workers."""
        shared = self._node.shared
        return shared is not None and shared.cache.delete(storage_key(cache_key))

    def forget_cached_responses(self) -> None:
        """Drop all of them; nothing else is kept in that memory."""
        if self._node.shared is not None:
            self._node.shared.cache.clear()

    def settings(self) -> Mapping[str, object]:
        """Return the effective settings."""
        return {**self._settings.shown, "version": self._settings.proxy.version}

    def log_level(self) -> str:
        """Return the least severity that is logged."""
        return self._log_level

    def set_log_level(self, level: str) -> None:
        """Log from this level on, in all processes."""
        self._node.set_log_level(level)
        self._log_level = level
