"""The ``expressions`` flavour: how a route becomes a rule, and how it ranks.

Routes with an expression rank by their ``priority``, above all routes with classic fields; those rank as in
``traditional_compatible``. The greater id decides last. A route's protocols count as a condition here,
unless it is for one encrypted protocol only, so that the others can be redirected.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dbless_gateway.config.entities import Route
from dbless_gateway.config.identity import number_of
from dbless_gateway.routing import compatible
from dbless_gateway.routing.classic import service_path_of
from dbless_gateway.routing.conditions import Condition, ProtocolIn
from dbless_gateway.routing.expressions.check import check
from dbless_gateway.routing.expressions.evaluate import Test, Trace, compile_tree
from dbless_gateway.routing.expressions.hints import placement_of
from dbless_gateway.routing.expressions.lowering import lower
from dbless_gateway.routing.expressions.parser import parse
from dbless_gateway.routing.expressions.tree import ExpressionError, Node
from dbless_gateway.routing.problems import RouteProblem
from dbless_gateway.routing.regexes import Regex
from dbless_gateway.routing.request import Request
from dbless_gateway.routing.rules import Placement, RouterEntry, Rule, T

# Kong sets the eight highest of 64 bits, which no classic priority reaches.
_EXPRESSION_RANK = 0xFF << 56
_CONNECTION_PROTOCOLS = {"grpc": "http", "grpcs": "https", "tls_passthrough": "tcp"}
_REDIRECTED = (("https",), ("tls",), ("tls_passthrough",))


class ExpressionHolds:
    """A whole expression as one condition; it is the route's path condition, too.

    Without a ``test`` it is compiled when it is first asked: of a lowered expression that is ``explain`` only.
    """

    __slots__ = ("_test", "tree")

    kind: ClassVar[str] = "expression"

    def __init__(self, tree: Node, test: Test | None) -> None:
        self.tree = tree
        self._test = test

    def __call__(self, request: Request) -> bool:
        test = self._test
        if test is None:
            test = self._test = compile_tree(self.tree)
        request.finder = self
        request.found = trace = Trace()
        return test(request, trace)

    def matched(self, request: Request) -> tuple[bytes | None, Regex | None]:
        """Return what the last path predicate that held has taken."""
        if request.finder is not self:
            self(request)
        trace = request.found
        return trace.matched, trace.regex


def rules_of(entry: RouterEntry[T], problems: list[RouteProblem]) -> Iterator[tuple[Rule[T], Placement]]:
    """Yield the rules of a route."""
    route = entry.route
    protocols = protocol_condition(route)
    if route.expression is None:
        yield from compatible.rules_of(entry, problems, protocols)
        return
    try:
        tree = parse(route.expression)
        check(tree, http=True)
        lowered = lower(tree)
        expression = ExpressionHolds(tree, compile_tree(tree) if lowered is None else None)
    except ExpressionError as error:
        problems.append(_problem(route, error))
        return
    checks, path = lowered or ((expression,), expression)
    rank = _EXPRESSION_RANK | (route.priority or 0)
    rule = Rule(
        key=compatible.key_of(rank, number_of(route.id), 0),
        entry=entry,
        conditions=(*protocols, expression),
        checks=(*protocols, *checks),
        path=path,
        search=None,
        value=entry.value,
        service_path=service_path_of(entry.service),
        strip=route.strip_path,
        v1=False,
    )
    yield rule, placement_of(tree)


def stream_problems(route: Route) -> Iterator[RouteProblem]:
    """Yield what is wrong with the expression of a route that is not for HTTP; nothing more is made of it."""
    if route.expression is not None:
        try:
            check(parse(route.expression), http=False)
        except ExpressionError as error:
            yield _problem(route, error)


def _problem(route: Route, error: ExpressionError) -> RouteProblem:
    return RouteProblem(route.id, "expression", None, error.message, error.offset, None)


def protocol_condition(route: Route) -> tuple[Condition, ...]:
    """Return the condition that a route's protocols are."""
    if tuple(route.protocols) in _REDIRECTED:
        return ()
    names = (_CONNECTION_PROTOCOLS.get(protocol, protocol) for protocol in route.protocols)
    return (ProtocolIn(frozenset(name.encode() for name in names)),)


def standing_of(key: int) -> tuple[tuple[str, int], ...]:
    """Return what a key is made of, in the order in which it decides."""
    classic = compatible.standing_of(key)
    rank = compatible.rank_of(key)
    is_expression = rank >= _EXPRESSION_RANK
    priority = rank - _EXPRESSION_RANK if is_expression else 0
    return (
        ("expression", is_expression),
        ("priority", priority),
        *(classic[-2:] if is_expression else classic),
    )
