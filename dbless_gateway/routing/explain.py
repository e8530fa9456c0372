"""Why a route takes a request, and why the others do not.

A pure function over the entries that a router was built from. It tries every rule with all its conditions,
without the index, so it is slow, and it is a second opinion: a test holds that it names the same winner as
``match``. Words for people are made here, from what the flavours say decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Generic

from dbless_gateway.config.entities import AddressMatch, Route
from dbless_gateway.routing.classic import header_name, is_http
from dbless_gateway.routing.conditions import Condition, HeaderIs, PathFound, PathStarts
from dbless_gateway.routing.flavors import Flavor, Standing, Table, flavor_of
from dbless_gateway.routing.problems import RouteProblem
from dbless_gateway.routing.request import Connection, HeaderLookup, Request
from dbless_gateway.routing.rules import RouterEntry, Rule, T
from dbless_gateway.routing.traditional import Kind

# What decides -> why the lesser one lost. {mine} is the loser's value, {its} the winner's.
_REASONS = {
    "expression": "routes with an expression go before routes with classic fields",
    "priority": "its priority is {mine}, the winner's {its}",
    "start": "the search begins below it, at routes with exactly the kinds of attributes that could match",
    "kinds": "it uses fewer kinds of attributes: {mine}, the winner {its}",
    "category": "with equally many kinds of attributes, {its} go before {mine}",
    "reduced": "the winner is on the list that is tried first: by the first route header, else the shortest "
    "of those by host, path, method and SNI",
    "sub_weight": "wildcard hosts with a port go first, then plain hosts, then regex paths",
    "plain_hosts": "routes whose hosts are all without a wildcard go first",
    "headers": "it asks for fewer headers: {mine}, the winner {its}",
    "regex_path": "regex paths go before prefix paths",
    "regex_priority": "its regex_priority is {mine}, the winner's {its}",
    "path_length": "its path is shorter: {mine} bytes, the winner's {its}",
    "id": "everything else is equal, and the greater id goes first",
    "created_at": "everything else is equal, and the older route goes first",
    "order": "everything else is equal, and it stands later in the file",
}


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """A route that matches; ``path`` is which of its paths, as the file has it."""

    entry: RouterEntry[T]
    path: str | None


@dataclass(frozen=True, slots=True)
class RunnerUp(Generic[T]):
    """A route that matches and lost: ``rule`` names the first rule that decided, ``reason`` words it."""

    entry: RouterEntry[T]
    path: str | None
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Miss(Generic[T]):
    """A route that does not match: the first ``attribute`` that did not, and why."""

    entry: RouterEntry[T]
    attribute: str
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation(Generic[T]):
    """The whole answer; runners-up in the order in which they would win, misses in the order of the file."""

    winner: Candidate[T] | None
    runners_up: tuple[RunnerUp[T], ...]
    misses: tuple[Miss[T], ...]


def explain(
    entries: Sequence[RouterEntry[T]],
    flavor: str,
    method: bytes,
    host: bytes,
    path: bytes,
    conn: Connection,
    headers: HeaderLookup,
    query: bytes | None,
) -> Explanation[T]:
    """Judge every route; the arguments behind ``flavor`` are those of ``Router.match``."""
    request = Request(method, host, path, conn, headers, query)
    reading = flavor_of(flavor)
    routable = reading.prepare(request)
    table: Table[T] = reading.make_table()
    readable, misses = _read_all(entries, reading, table)
    standing = reading.standing(table, request)
    matching: list[tuple[Standing, Rule[T]]] = []
    for rules in readable:
        fitting = [
            rule for rule in rules if routable and all(condition(request) for condition in rule.conditions)
        ]
        if fitting:
            matching.append(max(((standing(rule), rule) for rule in fitting), key=itemgetter(0)))
        else:
            misses.append(_miss(rules, request, routable=routable))
    places = {id(entry.route): place for place, entry in enumerate(entries)}
    misses.sort(key=lambda miss: places[id(miss.entry.route)])
    return _ranked(matching, misses)


def _read_all(
    entries: Sequence[RouterEntry[T]], reading: Flavor, table: Table[T]
) -> tuple[list[list[Rule[T]]], list[Miss[T]]]:
    """Return the rules of each route that the router has, and why it does not have the others."""
    readable: list[list[Rule[T]]] = []
    misses: list[Miss[T]] = []
    order = 0
    for entry in entries:
        problems: list[RouteProblem] = []
        rules: list[Rule[T]] = []
        if not is_http(entry.route):
            misses.append(Miss(entry, "protocols", "it is a route for streams"))
        elif entry.service is not None and not entry.service.enabled:
            misses.append(Miss(entry, "service", "its service is disabled"))
        else:
            for rule, placement in reading.rules_of(entry, order, problems):
                table.put(rule, placement)
                rules.append(rule)
                order += 1
            if rules:
                readable.append(rules)
            else:
                misses.append(Miss(entry, problems[0].field, problems[0].message))
    for _ in table.freeze_steps():
        pass
    return readable, misses


def _ranked(matching: list[tuple[Standing, Rule[T]]], misses: list[Miss[T]]) -> Explanation[T]:
    matching.sort(key=itemgetter(0), reverse=True)
    # The first part of a standing may say that the search never comes to the rule.
    unmet = bool(matching) and matching[0][0][0] == ("start", False)
    if not matching or unmet:
        passed = tuple(
            RunnerUp(rule.entry, path_of(rule), "start", _REASONS["start"]) for _, rule in matching
        )
        return Explanation(None, passed, tuple(misses))
    (best, winner), *others = matching
    runners_up = tuple(_runner_up(rule, standing, best) for standing, rule in others)
    return Explanation(Candidate(winner.entry, path_of(winner)), runners_up, tuple(misses))


def _runner_up(rule: Rule[T], standing: Standing, best: Standing) -> RunnerUp[T]:
    # Standings are unique, and where they begin to differ in kind, the part before has decided.
    pairs = zip(standing, best, strict=False)
    name, mine, its = next((name, mine, its) for (name, mine), (_, its) in pairs if mine != its)
    reason = _REASONS[name].format(mine=_worded(name, mine), its=_worded(name, its))
    return RunnerUp(rule.entry, path_of(rule), name, reason)


def _worded(name: str, value: int) -> str:
    if name != "category":
        return str(value)
    return " and ".join(kind.name.lower() for kind in Kind if kind & value and kind.name)


def path_of(rule: Rule[T]) -> str | None:
    """Return the rule's own path as the file has it; None for a route without one."""
    if isinstance(rule.path, PathStarts):
        return rule.path.prefix.decode()
    if isinstance(rule.path, PathFound):
        found = "~" + rule.path.regex.pattern.decode().removeprefix("^")
        # RE2 has its own spelling for named groups.
        written = (path for path in rule.entry.route.paths or () if path.replace("(?<", "(?P<") == found)
        return next(written, found)
    return None


def _miss(rules: list[Rule[T]], request: Request, *, routable: bool) -> Miss[T]:
    """Report the rule that came furthest: a route's paths may fail earlier and later."""
    entry = rules[0].entry
    if not routable:
        return Miss(entry, "paths", "the path is not valid UTF-8, and then no route matches")
    first = max(map(partial(_first_failure, request), rules), key=itemgetter(0))[1]
    return Miss(entry, first.kind, _reason(first, rules, request))


def _first_failure(request: Request, rule: Rule[T]) -> tuple[int, Condition]:
    failures = ((place, one) for place, one in enumerate(rule.conditions) if not one(request))
    return next(failures)


def _reason(condition: Condition, rules: list[Rule[T]], request: Request) -> str:
    route, conn = rules[0].entry.route, request.conn
    if isinstance(condition, HeaderIs):
        name = condition.name.decode()
        found_values = _shown(request.headers.get_all(condition.name))
        return f"the header {name} is {found_values}, it takes {_listed(_wanted(route, condition.name))}"
    attributes: dict[str, tuple[str, str, Iterable[object]]] = {
        "methods": ("method", _text(request.method), route.methods or ()),
        "hosts": ("host", _text(request.host_sent), route.hosts or ()),
        "paths": ("path", _text(request.path), filter(None, map(path_of, rules))),
        "snis": ("server name", _text(conn.sni or b""), route.snis or ()),
        "sources": ("source", f"{conn.src_ip}:{conn.src_port}", _addresses(route.sources)),
        "destinations": ("destination", f"{conn.dst_ip}:{request.port}", _addresses(route.destinations)),
        "protocols": ("protocol", _text(conn.scheme), route.protocols),
    }
    if condition.kind not in attributes:
        return "the expression does not hold"
    name, found, takes = attributes[condition.kind]
    return f"the {name} is {found or 'not given'}, it takes {_listed(takes)}"


def _wanted(route: Route, header: bytes) -> tuple[str, ...]:
    return next(values for name, values in (route.headers or {}).items() if header_name(name) == header)


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _shown(values: list[bytes]) -> str:
    return _listed(map(_text, values)) if values else "not there"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _addresses(rules: Iterable[AddressMatch] | None) -> list[str]:
    return [f"{rule.ip or '*'}:{rule.port or '*'}" for rule in rules or ()]
