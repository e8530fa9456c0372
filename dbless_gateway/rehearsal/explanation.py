"""Everything that decides what becomes of one request, as plain data.

The routes are judged by ``routing.explain``; what the target sees and who answers is not worked out here but
observed: the request is played by a rehearsal. When a plugin answers it, it is played once more past the
plugins, so that the way to the target can be told all the same.

The form is a promise to those who read ``explain --json``: ``version`` changes when a field changes its
meaning or goes away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dbless_gateway.config.entities import Entities, Plugin, Route, Service, Upstream
from dbless_gateway.proxy.exchange import Exchange
from dbless_gateway.rehearsal.plugin_chain import Chain, Link, chain_of
from dbless_gateway.rehearsal.question import Question
from dbless_gateway.rehearsal.rehearsal import Outcome, Rehearsal
from dbless_gateway.rehearsal.targets import TargetRequest
from dbless_gateway.routing import explain as judging
from dbless_gateway.routing.explain import Explanation, Miss
from dbless_gateway.routing.paths import normalize
from dbless_gateway.routing.router import RouterEntry
from dbless_gateway.snapshot.plan import CompiledRoute, CompiledService

VERSION = 1
# How many routes that do not match are told of, unless all are wanted.
MISSES_SHOWN = 10
_BODY_SHOWN_BYTES = 500

Plain = dict[str, Any]


def explain(rehearsal: Rehearsal, question: Question, *, all_misses: bool = False) -> Plain:
    """Return the explanation of one request."""
    outcome = rehearsal.send(question)
    names = Names(rehearsal.entities)
    found = judge(rehearsal, outcome.exchange)
    route = outcome.route
    answered_by = who_answered(outcome)
    told: Plain = {
        "version": VERSION,
        "request": _request(question, outcome.exchange),
        "router_flavor": rehearsal.options.router_flavor,
        **_routes(found, names, None if all_misses else MISSES_SHOWN),
        "service": None,
        "answer": _answer(outcome, answered_by),
        "target_request": None,
        "plugins": None,
        "balancer": None,
        "timeouts_ms": None,
        "retries": None,
    }
    if route is None or outcome.exchange is None:
        return told
    told["plugins"] = _plugins(
        chain_of(route, outcome.exchange, rehearsal.entities), names, rehearsal.left_out
    )
    if route.service is not None:
        told |= _way_to_target(rehearsal, question, outcome, route, route.service)
    return told


def judge(rehearsal: Rehearsal, exchange: Exchange | None) -> Explanation[CompiledRoute]:
    """Return what the router's own explanation says of the request that an exchange has handled."""
    if exchange is None or normalize(exchange.head.path) is None:
        return Explanation(None, (), ())
    services = {service.id: service for service in rehearsal.entities.services}
    entries = [
        RouterEntry(route.entity, services.get(route.entity.service or ""), route)
        for route in rehearsal.snapshot.routes
    ]
    head = exchange.head
    return judging.explain(
        entries,
        rehearsal.options.router_flavor,
        head.method,
        head.host or b"",
        exchange.path_bytes,
        exchange.client.facts,
        head,
        head.query,
    )


def who_answered(outcome: Outcome) -> str | None:
    """Return ``target``, ``gateway``, or the name of the plugin whose access step answered."""
    exchange, route = outcome.exchange, outcome.route
    if exchange is None or route is None or outcome.failure is not None:
        return "gateway"
    if exchange.upstream_status is not None:
        return "target"
    refused = route.grpc or (route.needs_https and exchange.forwarded_scheme != "https")
    if refused or exchange.balancer is not None or not exchange.chain.access:
        return "gateway"
    return route.chains.name_at(exchange.position)


class Names:
    """Words for entities: who they are, and where they stand in the file."""

    def __init__(self, entities: Entities) -> None:
        collections: tuple[Iterable[Any], ...] = (entities.services, entities.routes)
        self._names: dict[str, str] = {e.id: e.name or e.id for group in collections for e in group}
        self._names |= {c.id: c.username or c.custom_id or c.id for c in entities.consumers}

    def place(self, entity: Route | Service | Upstream | Plugin) -> str:
        """Return ``file:line``."""
        return f"{entity.where.file}:{entity.where.line}"

    def entity(self, entity: Route | Service | Upstream) -> Plain:
        """Return name, id and place."""
        return {"name": entity.name, "id": entity.id, "at": self.place(entity)}

    def plugin(self, plugin: Plugin) -> Plain:
        """Return scope and place of an instance."""
        told = {"name": plugin.name, "scope": self.scope(plugin), "id": plugin.id, "at": self.place(plugin)}
        return told if plugin.instance_name is None else told | {"instance_name": plugin.instance_name}

    def scope(self, plugin: Plugin) -> str:
        """Return what an instance is for: ``global``, ``service users``, ``route r, consumer alice``."""
        parts = (("service", plugin.service), ("route", plugin.route), ("consumer", plugin.consumer))
        named = [f"{kind} {self._names.get(key, key)}" for kind, key in parts if key is not None]
        return ", ".join(named) or "global"


def _request(question: Question, exchange: Exchange | None) -> Plain:
    path = normalize(exchange.head.path) if exchange is not None else None
    return {
        "method": question.method,
        "url": question.url,
        "host": question.host,
        "path": None if path is None else path.decode(errors="backslashreplace"),
        "client_ip": question.client_ip if exchange is None else exchange.client_ip,
        "sni": question.sni,
    }


def _routes(found: Explanation[CompiledRoute], names: Names, limit: int | None) -> Plain:
    winner = found.winner
    return {
        "winner": None
        if winner is None
        else {
            "route": names.entity(winner.entry.route),
            "path": winner.path,
            "expression": winner.entry.route.expression,
        },
        "runners_up": [
            {
                "route": names.entity(other.entry.route),
                "path": other.path,
                "expression": other.entry.route.expression,
                "rule": other.rule,
                "reason": other.reason,
            }
            for other in found.runners_up
        ],
        "misses": [
            {"route": names.entity(m.entry.route), "attribute": m.attribute, "reason": m.reason}
            for m in sorted(found.misses, key=_distance)[:limit]
        ],
        "misses_total": len(found.misses),
    }


def _distance(miss: Miss[CompiledRoute]) -> int:
    """Return how far off a route is: one that fails at its host is of less interest than any other."""
    return {"hosts": 2, "paths": 1}.get(miss.attribute, 0)


def _answer(outcome: Outcome, answered_by: str | None) -> Plain:
    return {
        "status": outcome.status,
        "by": answered_by,
        "body": None
        if answered_by == "target"
        else outcome.body[:_BODY_SHOWN_BYTES].decode("utf-8", "backslashreplace"),
        "bugs": list(outcome.bugs),
    }


def _plugins(chain: Chain, names: Names, left_out: tuple[Plugin, ...]) -> Plain:
    consumer = chain.consumer
    return {
        "consumer": None
        if consumer is None
        else {
            "name": consumer.username or consumer.custom_id or consumer.id,
            "authenticated_by": chain.authenticated_by,
        },
        "chain": [_link(link, names) for link in chain.links],
        "for_other_consumers": [names.plugin(plugin) for plugin in chain.waiting if plugin not in left_out],
        "not_run_by_this_version": sorted({plugin.name for plugin in left_out}),
    }


def _link(link: Link, names: Names) -> Plain:
    return {
        **names.plugin(link.plugin),
        "priority": link.priority,
        "phases": list(link.phases),
        "overrides": [names.plugin(plugin) for plugin in link.overrides],
        "instead_for": [names.plugin(plugin) for plugin in link.instead_for],
    }


def _way_to_target(
    rehearsal: Rehearsal, question: Question, outcome: Outcome, route: CompiledRoute, service: CompiledService
) -> Plain:
    names = Names(rehearsal.entities)
    request, exchange = outcome.target_request, outcome.exchange
    if request is None and who_answered(outcome) not in ("gateway", "target"):
        past = rehearsal.send_without_plugins(question, route)
        request, exchange = past.target_request, past.exchange
    entity = service.entity
    return {
        "service": names.entity(entity)
        | {"url": f"{entity.protocol}://{entity.host}:{entity.port}{entity.path or ''}"},
        "target_request": None
        if request is None
        else _target_request(request, past_plugins=outcome.target_request is None),
        "balancer": _balancer(rehearsal.entities, service, exchange, names),
        "timeouts_ms": {
            "connect": entity.connect_timeout,
            "write": entity.write_timeout,
            "read": entity.read_timeout,
        },
        "retries": service.retries,
    }


def _target_request(request: TargetRequest, *, past_plugins: bool) -> Plain:
    return {
        "method": request.method,
        "url": request.url,
        "target": request.target,
        "headers": [list(line) for line in request.headers],
        "if_plugins_let_it_pass": past_plugins,
    }


def _balancer(entities: Entities, service: CompiledService, exchange: Exchange | None, names: Names) -> Plain:
    entity, key = service.entity, service.balancer_key
    if len(key) == 3:
        return {"upstream": None, "algorithm": "round-robin", "targets": [f"{entity.host}:{entity.port}"]}
    upstream = next(upstream for upstream in entities.upstreams if upstream.id == key[1])
    told: Plain = {
        "upstream": names.entity(upstream),
        "algorithm": upstream.algorithm,
        "targets": [
            f"{target.target} (weight {target.weight})"
            for target in entities.targets
            if target.upstream == upstream.id
        ],
    }
    if upstream.algorithm not in _HASHING:
        return told
    return told | {
        "hash_on": _hash_source(upstream, "hash_on"),
        "hash_fallback": _hash_source(upstream, "hash_fallback"),
        **_hash_value(exchange),
    }


def _hash_value(exchange: Exchange | None) -> Plain:
    """Return what was hashed; a cookie that was made up for the client has another value each time."""
    if exchange is None or exchange.hash_input is None:
        return {"hash_value": None, "sets_cookie": None}
    cookie = exchange.new_cookie
    shown = None if cookie is not None else exchange.hash_input.decode(errors="backslashreplace")
    return {"hash_value": shown, "sets_cookie": None if cookie is None else cookie.name}


_HASHING = frozenset(("consistent-hashing", "sticky-sessions"))
_HASH_FIELDS = {
    "header": "{}_header",
    "cookie": "hash_on_cookie",
    "query_arg": "{}_query_arg",
    "uri_capture": "{}_uri_capture",
}


def _hash_source(upstream: Upstream, field: str) -> str:
    """Return what is hashed, in one or two words."""
    if upstream.algorithm == "sticky-sessions":
        return f"cookie {upstream.sticky_sessions_cookie}" if field == "hash_on" else "none"
    kind: str = getattr(upstream, field)
    name = _HASH_FIELDS.get(kind)
    return kind if name is None else f"{kind} {getattr(upstream, name.format(field))}"
