"""Routing of plain connections: tcp, tls, udp and tls_passthrough routes.

A connection is routed once, and stream routes are few, so rules are simply tried in order. Which route may
terminate TLS and which passes it through is the caller's question; here only addresses and the server name
count. The three flavours rank differently; the traditional one starts at the category that could match, as
for requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic

from dbless_gateway.config.entities import AddressMatch, Route
from dbless_gateway.config.identity import number_of
from dbless_gateway.routing.classic import is_http, read_others
from dbless_gateway.routing.conditions import Condition, DestinationIn, SniIn, SourceIn
from dbless_gateway.routing.expressions.rules import compile_expression, protocol_condition
from dbless_gateway.routing.expressions.tree import ExpressionError
from dbless_gateway.routing.problems import RouteProblem
from dbless_gateway.routing.request import Connection, Request
from dbless_gateway.routing.rules import RouterEntry, T
from dbless_gateway.routing.traditional import Kind, category_of, kinds_of

_EXACT_IP, _PORT, _NETWORK = 8, 4, 1
_DOMINANT = 1 << 61
_KINDS: dict[type[Condition], Kind] = {SniIn: Kind.SNI, SourceIn: Kind.SRC, DestinationIn: Kind.DST}


@dataclass(frozen=True, slots=True)
class StreamRule(Generic[T]):
    """One route; of two that match, the one with the greater ``standing`` wins."""

    standing: tuple[int, ...]
    entry: RouterEntry[T]
    conditions: tuple[Condition, ...]


class _NoHeaders:
    """A connection has no headers; expressions for streams cannot ask for them."""

    def get_all(self, name: bytes) -> list[bytes]:
        return []


_NO_HEADERS = _NoHeaders()


class StreamRouter(Generic[T]):
    """A compiled table of stream routes."""

    __slots__ = ("_categories", "_rules", "problems")

    def __init__(
        self, rules: list[StreamRule[T]], problems: tuple[RouteProblem, ...], *, by_category: bool
    ) -> None:
        self.problems = problems
        self._rules = sorted(rules, key=lambda rule: rule.standing, reverse=True)
        self._categories = {rule.standing[0] for rule in rules} if by_category else frozenset[int]()

    def match(self, conn: Connection) -> T | None:
        """Return the value of the route for a connection, whose scheme is ``tcp``, ``tls`` or ``udp``."""
        request = Request(b"", b"", b"", conn, _NO_HEADERS, None)
        start = self._start(request)
        for rule in self._rules:
            if start is not None and rule.standing[0] > start:
                continue
            if all(condition(request) for condition in rule.conditions):
                return rule.entry.value
        return None

    def _start(self, request: Request) -> int | None:
        """Return the category with exactly the kinds that could match, if there is one."""
        if not self._categories:
            return None
        kinds = 0
        for rule in self._rules:
            for condition in rule.conditions:
                if not isinstance(condition, SniIn) or request.conn.sni is not None:
                    kinds |= _KINDS[type(condition)] if condition(request) else 0
        category = category_of(kinds)
        return category if category in self._categories else None


def build_stream(entries: Iterable[RouterEntry[T]], flavor: str) -> StreamRouter[T]:
    """Compile the stream routes among the entries; what is wrong is in the router's ``problems``."""
    problems: list[RouteProblem] = []
    rules: list[StreamRule[T]] = []
    for order, entry in enumerate(entries):
        if is_http(entry.route) or (entry.service is not None and not entry.service.enabled):
            continue
        if flavor == "expressions" and entry.route.expression is not None:
            rules.extend(_expression_rule(entry, problems))
        elif flavor == "traditional":
            rules.append(StreamRule(_traditional(entry.route, order), entry, tuple(read_others(entry.route))))
        else:
            protocols = protocol_condition(entry.route) if flavor == "expressions" else ()
            conditions = (*protocols, *read_others(entry.route))
            rules.append(StreamRule((0, *_compatible(entry.route)), entry, conditions))
    return StreamRouter(rules, tuple(problems), by_category=flavor == "traditional")


def _expression_rule(entry: RouterEntry[T], problems: list[RouteProblem]) -> Iterable[StreamRule[T]]:
    """Read a route with an expression; these go before all others."""
    route = entry.route
    try:
        expression = compile_expression(route.expression or "", http=False)
    except ExpressionError as error:
        problems.append(RouteProblem(route.id, "expression", None, error.message, error.offset, None))
        return
    standing = (1, route.priority or 0, number_of(route.id))
    yield StreamRule(standing, entry, (*protocol_condition(route), expression))


def _compatible(route: Route) -> tuple[int, int]:
    """Return Kong's priority of a stream route, and the id that decides between equals."""
    bits = _DOMINANT if route.snis or (route.sources and route.destinations) else 0
    bits |= _flags(route.sources) << 4 | _flags(route.destinations)
    return bits, number_of(route.id)


def _flags(elements: tuple[AddressMatch, ...] | None) -> int:
    flags = 0
    for element in elements or ():
        if element.ip is not None:
            flags |= _NETWORK if "/" in element.ip else _EXACT_IP
        if element.port is not None:
            flags |= _PORT
    return flags


def _traditional(route: Route, order: int) -> tuple[int, ...]:
    """Rank by category, then those with an address and a port together, then the older, then file order."""
    elements = (*(route.sources or ()), *(route.destinations or ()))
    whole = any(element.ip is not None and element.port is not None for element in elements)
    return category_of(kinds_of(route)), whole, -route.created_at, -order
