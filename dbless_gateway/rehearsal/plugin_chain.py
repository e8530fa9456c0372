"""Which plugin instances ran for a request, where each comes from, and what it keeps from running.

The choice itself is that of ``snapshot/chains.py``; here it is only told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dbless_gateway.config.entities import Consumer, Entities, Plugin, Route
from dbless_gateway.proxy.exchange import Exchange
from dbless_gateway.snapshot.chains import Instance
from dbless_gateway.snapshot.plan import CompiledRoute

_PHASES = ("rewrite", "access", "response", "header_filter", "body_filter", "log")


@dataclass(frozen=True, slots=True)
class Link:
    """One instance of a chain.

    ``overrides`` would run if this instance were not there, ``instead_for`` runs in its place once the client
    turns out to be the consumer of that instance.
    """

    plugin: Plugin
    priority: int
    phases: tuple[str, ...]
    overrides: tuple[Plugin, ...]
    instead_for: tuple[Plugin, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """All of it; ``authenticated_by`` is the plugin that found out who the consumer is."""

    links: tuple[Link, ...]
    consumer: Consumer | None
    authenticated_by: str | None
    waiting: tuple[Plugin, ...]  # plugins that have instances for consumers only, and none for this client


def instances_of(exchange: Exchange) -> list[Instance]:
    """Return the instances that make up the chain of an exchange, in running order."""
    route, consumer = exchange.compiled_route, exchange.consumer
    if route is None:
        return []
    if consumer is None:
        return route.chains.instances()
    return route.chains.instances(consumer.id, route.chains.authenticator(consumer.id, exchange.chain))


def chain_of(route: CompiledRoute, exchange: Exchange, entities: Entities) -> Chain:
    """Tell the chain of an exchange."""
    consumer = exchange.consumer
    authenticated_by = None
    if consumer is not None:
        authenticated_by = route.chains.authenticator(consumer.id, exchange.chain)
    rivals = _rivals(route.entity, entities)
    chosen = instances_of(exchange)
    links = tuple(_link(instance, rivals, consumer) for instance in chosen)
    running = {instance.entity.name for instance in chosen}
    waiting = tuple(p for name, plugins in rivals.items() if name not in running for p in plugins)
    return Chain(links, consumer, authenticated_by, waiting)


def reached(exchange: Exchange, answered_by: str | None) -> list[Instance]:
    """Return the instances whose turn came: those behind the plugin that answered did not run."""
    chosen = instances_of(exchange)
    names = [instance.entity.name for instance in chosen]
    return chosen[: names.index(answered_by) + 1] if answered_by in names else chosen


def _rivals(route: Route, entities: Entities) -> Mapping[str, list[Plugin]]:
    """Return the enabled instances that could run for a route, by plugin."""
    found: dict[str, list[Plugin]] = {}
    for plugin in entities.plugins:
        fits = plugin.route in (None, route.id) and plugin.service in (None, route.service)
        if plugin.enabled and fits:
            found.setdefault(plugin.name, []).append(plugin)
    return found


def _link(instance: Instance, rivals: Mapping[str, list[Plugin]], consumer: Consumer | None) -> Link:
    plugin = instance.entity
    others = [other for other in rivals.get(plugin.name, ()) if other is not plugin]
    known = None if consumer is None else consumer.id
    return Link(
        plugin=plugin,
        priority=instance.priority,
        phases=tuple(phase for phase in _PHASES if hasattr(instance.handler, phase)),
        overrides=tuple(other for other in others if other.consumer in (None, known)),
        instead_for=tuple(other for other in others if other.consumer not in (None, known)),
    )
