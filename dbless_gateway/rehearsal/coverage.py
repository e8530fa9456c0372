"""Which routes and plugins of a configuration no test has reached.

A route is reached when it takes a request, a plugin when its turn comes in the chain of one. Routes of
disabled services, disabled plugins and what is for streams only cannot be reached and do not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dbless_gateway.config.entities import Entities, Plugin, Route
from dbless_gateway.rehearsal.judging import Verdict
from dbless_gateway.rehearsal.rehearsal import Rehearsal
from dbless_gateway.routing.classic import is_http

_HTTP_PROTOCOLS = frozenset(("http", "https", "grpc", "grpcs"))


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts, and what is missing in the order of the file."""

    routes: int
    missed_routes: tuple[Route, ...]
    plugins: int
    missed_plugins: tuple[Plugin, ...]

    @property
    def is_full(self) -> bool:
        """Tell whether everything was reached."""
        return not self.missed_routes and not self.missed_plugins


def coverage_of(verdicts: Iterable[Verdict], rehearsal: Rehearsal) -> Coverage:
    """Compare what the tests have touched with what there is."""
    touched = {entity.id for verdict in verdicts for entity in verdict.touched}
    routes = _routes(rehearsal.entities)
    plugins = [plugin for plugin in _plugins(rehearsal.entities) if plugin not in rehearsal.left_out]
    return Coverage(
        routes=len(routes),
        missed_routes=tuple(route for route in routes if route.id not in touched),
        plugins=len(plugins),
        missed_plugins=tuple(plugin for plugin in plugins if plugin.id not in touched),
    )


def _routes(entities: Entities) -> list[Route]:
    disabled = {service.id for service in entities.services if not service.enabled}
    return [route for route in entities.routes if is_http(route) and route.service not in disabled]


def _plugins(entities: Entities) -> list[Plugin]:
    return [
        plugin
        for plugin in entities.plugins
        if plugin.enabled and not _HTTP_PROTOCOLS.isdisjoint(plugin.protocols)
    ]
