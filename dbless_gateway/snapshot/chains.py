"""Which plugin instances run for a route, and in which order.

For each plugin name at most one instance runs per request: the most specific enabled one for the route, the
service and the consumer authenticated *so far* (Kong's order of precedence). So a consumer changes nothing
for the plugins that ran before it was known: a chain for a consumer is the route's own chain up to and
including the plugin that authenticated, and the consumer's choice behind it.

All chains of a route are slot-aligned (see ``model.Chain``). Chains of consumers are built on first sight and
remembered: routes times consumers can be millions, so they are never built ahead. That memo is bounded, and
forgetting an entry changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dbless_gateway.config.entities import Plugin
from dbless_gateway.config.records import dataclass
from dbless_gateway.snapshot.loans import Loan
from dbless_gateway.snapshot.plugin_timer import PluginTimer
from dbless_gateway.snapshot.steps import BodyStep, Chain, Step

# Chains of consumers kept per route; a chain costs well under a kilobyte.
_MAX_REMEMBERED_CHAINS: Final = 1000

# (route, service, consumer) present or not, most specific first.
_PRECEDENCE: Final = (
    (True, True, True),
    (True, False, True),
    (False, True, True),
    (True, True, False),
    (False, False, True),
    (True, False, False),
    (False, True, False),
    (False, False, False),
)


@dataclass(frozen=True, slots=True)
class Instance:
    """A configured plugin: its entity, its handler and where its name stands in the order."""

    entity: Plugin
    handler: Any
    priority: int
    timer: PluginTimer | None = None
    loan: Loan | None = None  # what the handler borrows; None: nothing


def _skip(ctx: Any) -> None:
    """Stand in a slot whose plugin does not run for this chain."""


class InstanceIndex:
    """All enabled instances of a configuration, found by name and scope."""

    __slots__ = ("_by_scope", "_consumer_names", "_route_ids", "_with_access", "names")

    def __init__(self, instances: Iterable[Instance]) -> None:
        self._by_scope: dict[tuple[str, str | None, str | None, str | None], Instance] = {}
        self._consumer_names: set[str] = set()
        self._with_access: set[str] = set()
        self._route_ids: set[str] = set()
        order: dict[str, int] = {}
        for instance in instances:
            entity = instance.entity
            self._by_scope[entity.name, entity.route, entity.service, entity.consumer] = instance
            order[entity.name] = instance.priority
            if entity.consumer is not None:
                self._consumer_names.add(entity.name)
            if entity.route is not None:
                self._route_ids.add(entity.route)
            if hasattr(instance.handler, "access"):
                self._with_access.add(entity.name)
        by_name = sorted(order, reverse=True)
        self.names = tuple(sorted(by_name, key=lambda name: -order[name]))

    def find(
        self, name: str, route_id: str | None, service_id: str | None, consumer_id: str | None
    ) -> Instance | None:
        """Return the most specific instance of a plugin, or None."""
        by_scope = self._by_scope
        for with_route, with_service, with_consumer in _PRECEDENCE:
            if (
                (with_route and route_id is None)
                or (with_service and service_id is None)
                or (with_consumer and consumer_id is None)
            ):
                continue
            found = by_scope.get(
                (
                    name,
                    route_id if with_route else None,
                    service_id if with_service else None,
                    consumer_id if with_consumer else None,
                )
            )
            if found is not None:
                return found
        return None

    def has_consumer_scope(self, name: str) -> bool:
        """Tell whether some instance of this plugin is for a consumer."""
        return name in self._consumer_names

    def has_route_scope(self, route_id: str) -> bool:
        """Tell whether some instance is for this route."""
        return route_id in self._route_ids

    def has_access(self, name: str) -> bool:
        """Tell whether this plugin has an access phase, and so a slot in the chains."""
        return name in self._with_access


class RouteChains:
    """The chains of one route: the one without a consumer, and those of consumers, on demand."""

    __slots__ = (
        "_base",
        "_has_consumers",
        "_index",
        "_memo",
        "_names",
        "_route_id",
        "_service_id",
        "_slots",
        "base",
    )

    def __init__(self, index: InstanceIndex, route_id: str | None, service_id: str | None) -> None:
        self._index = index
        self._route_id = route_id
        self._service_id = service_id
        found = {name: index.find(name, route_id, service_id, None) for name in index.names}
        self._names = tuple(
            name for name in index.names if found[name] is not None or index.has_consumer_scope(name)
        )
        self._base = {name: found[name] for name in self._names}
        self._has_consumers = any(index.has_consumer_scope(name) for name in self._names)
        self._slots = tuple(name for name in self._names if index.has_access(name))
        self._memo: dict[tuple[str, str | None], Chain] = {}
        self.base = self._build(self._base)

    def for_consumer(self, consumer_id: str, position: int) -> Chain:
        """Return the chain behind the access step at ``position``, which found out who the client is."""
        if not self._has_consumers:
            return self.base
        authenticated_by = self.name_at(position)
        key = (consumer_id, authenticated_by)
        chain = self._memo.get(key)
        if chain is None:
            chain = self._build(self._chosen_for(consumer_id, authenticated_by))
            if len(self._memo) >= _MAX_REMEMBERED_CHAINS:
                self._memo.clear()
            self._memo[key] = chain
        return chain

    def name_at(self, position: int) -> str | None:
        """Return the plugin whose access step stands at this position."""
        return self._slots[position] if 0 <= position < len(self._slots) else None

    def instances(
        self, consumer_id: str | None = None, authenticated_by: str | None = None
    ) -> list[Instance]:
        """Return what runs, in order, for a consumer; for explaining, not for serving.

        ``authenticated_by`` is the plugin that finds out who it is; None: that is known from the start.
        """
        chosen = self._base if consumer_id is None else self._chosen_for(consumer_id, authenticated_by)
        return [instance for instance in chosen.values() if instance is not None]

    def authenticator(self, consumer_id: str, chain: Chain) -> str | None:
        """Return the plugin behind whose access step a consumer's chain begins; for explaining, too."""
        slots = [name for name in self._names if self._index.has_access(name)]
        matching = (name for at, name in enumerate(slots) if self.for_consumer(consumer_id, at) is chain)
        return next(matching, None)

    def _chosen_for(self, consumer_id: str, authenticated_by: str | None) -> dict[str, Instance | None]:
        chosen: dict[str, Instance | None] = {}
        known = authenticated_by is None
        for name, base in self._base.items():
            chosen[name] = (
                self._index.find(name, self._route_id, self._service_id, consumer_id) if known else base
            )
            known = known or name == authenticated_by
        return chosen

    def _build(self, chosen: dict[str, Instance | None]) -> Chain:
        access: list[Step] = []
        response: list[Step] = []
        header_filter: list[Step] = []
        body_filter: list[BodyStep] = []
        log: list[Step] = []
        needs_request_body = changes_body = False
        for name, instance in chosen.items():
            if instance is None:
                if self._index.has_access(name):
                    access.append(_skip)
                continue
            handler = instance.handler
            needs_request_body = needs_request_body or getattr(handler, "needs_request_body", False)
            if hasattr(handler, "access"):
                access.append(handler.access)
            if hasattr(handler, "response"):
                response.append(handler.response)
            if hasattr(handler, "header_filter"):
                header_filter.append(handler.header_filter)
            if hasattr(handler, "body_filter"):
                body_filter.append(handler.body_filter)
                changes_body = changes_body or getattr(handler, "changes_body", True)
            if hasattr(handler, "log"):
                log.append(handler.log)
        return Chain(
            tuple(access),
            tuple(header_filter),
            tuple(body_filter),
            tuple(log),
            needs_request_body,
            changes_body,
            tuple(response),
            reads_body=bool(response or body_filter),
        )
