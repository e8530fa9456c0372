"""dbless-gateway routes: the routes of a configuration in the order in which they are tried, per host.

Exit codes: 0 printed, 1 the configuration has errors (they are printed), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from dbless_gateway.cli.columns import columns
from dbless_gateway.cli.output import printable, put
from dbless_gateway.cli.rehearsing import add_configuration_flags, load_entities
from dbless_gateway.config.entities import Entities, Route
from dbless_gateway.routing.listing import HostTable, Listed, Listing
from dbless_gateway.routing.rules import RouterEntry

EXIT_PROBLEMS = 1

# The form is a promise: changed when a field changes its meaning or goes away.
_JSON_VERSION = 1
_TITLES = ["", "route", "path", "methods", "asks for", "service", "place"]


def main(argv: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway routes",
        description="Print the routes in the order in which they are tried, for each host.",
    )
    parser.add_argument("--host", metavar="NAME", help="only what a request to this host can meet")
    parser.add_argument("--json", action="store_true", help="for programs")
    add_configuration_flags(parser)
    arguments = parser.parse_args(argv)
    entities = load_entities(arguments, parser)
    if entities is None:
        return EXIT_PROBLEMS
    listing = Listing(_entries(entities), arguments.router_flavor)
    wanted = listing.for_all_hosts() if arguments.host is None else iter([listing.for_host(arguments.host)])
    tables = [table for table in wanted if table.rules or table.host is not None]
    put(_json(tables, arguments.router_flavor) if arguments.json else "\n".join(_text(tables)) + "\n")
    return 0


def _entries(entities: Entities) -> Iterator[RouterEntry[None]]:
    services = {service.id: service for service in entities.services}
    for route in entities.routes:
        yield RouterEntry(route, services.get(route.service or ""), None)


def _text(tables: list[HostTable[None]]) -> Iterator[str]:
    for number, table in enumerate(tables):
        if number:
            yield ""
        yield printable(table.host) if table.host is not None else "any other host"
        rows = [_row(place, rule) for place, rule in enumerate(table.rules, 1)]
        yield from columns([_TITLES, *rows] if rows else [["no route"]], "  ")
    if not tables:
        yield "no routes"


def _row(place: int, rule: Listed[None]) -> list[str]:
    route, service = rule.entry.route, rule.entry.service
    return [
        f"{place}.",
        route.name or route.id,
        route.expression or rule.path or "any",
        ",".join(route.methods or ()) or "any",
        _demands(route),
        "none" if service is None else service.name or service.id,
        f"{route.where.file}:{route.where.line}",
    ]


def _demands(route: Route) -> str:
    """Return what a route asks for beside host, path and method."""
    told = [f"{name}: {'|'.join(values)}" for name, values in (route.headers or {}).items()]
    told += [f"server name {name}" for name in route.snis or ()]
    for word, addresses in (("from", route.sources), ("to", route.destinations)):
        told += [f"{word} {address.ip or '*'}:{address.port or '*'}" for address in addresses or ()]
    return "; ".join(told) or "-"


def _json(tables: list[HostTable[None]], flavor: str) -> str:
    document = {
        "version": _JSON_VERSION,
        "router_flavor": flavor,
        "hosts": [{"host": table.host, "rules": [_rule(rule) for rule in table.rules]} for table in tables],
    }
    return json.dumps(document, indent=2) + "\n"


def _rule(rule: Listed[None]) -> dict[str, Any]:
    route, service = rule.entry.route, rule.entry.service
    return {
        "route": {"name": route.name, "id": route.id, "at": f"{route.where.file}:{route.where.line}"},
        "service": None if service is None else {"name": service.name, "id": service.id},
        "path": rule.path,
        "methods": route.methods,
        "hosts": route.hosts,
        "headers": route.headers,
        "snis": route.snis,
        "protocols": route.protocols,
        "expression": route.expression,
    }
