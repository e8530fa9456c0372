"""The router's flavours: one row each, with what they do differently.

A flavour reads routes into rules, keeps them in a table that knows its order, and prepares a request in its
own way. Everything else is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol

from dbless_gateway.routing import compatible, traditional
from dbless_gateway.routing.categories import TraditionalTable
from dbless_gateway.routing.expressions import rules as expression_rules
from dbless_gateway.routing.hosts import split_port, split_port_bracketed
from dbless_gateway.routing.index import Index
from dbless_gateway.routing.problems import RouteProblem
from dbless_gateway.routing.request import Request
from dbless_gateway.routing.rules import Placement, RouterEntry, Rule, T
from dbless_gateway.routing.traditional import KIND_BITS

# Names and values of what decides, the first difference first.
Standing = tuple[tuple[str, int], ...]

# Looked for as a number, which is three times as fast as "in" with bytes.
COLON = ord(":")


class Table(Protocol[T]):
    """All rules of a router."""

    def put(self, rule: Rule[T], placement: Placement) -> None:
        """Take a rule; before ``freeze_steps`` only."""

    def freeze_steps(self) -> Generator[None, None, None]:
        """Order everything, in slices."""

    def best(self, request: Request) -> Rule[T] | None:
        """Return the rule that takes a prepared request."""

    def dispose_steps(self) -> Generator[None, None, None]:
        """Let go of the rules, in slices."""


class Flavor(Protocol):
    """How one flavour reads routes and requests."""

    def make_table(self) -> Table[Any]:
        """Return an empty table."""

    def rules_of(
        self, entry: RouterEntry[T], order: int, problems: list[RouteProblem]
    ) -> Iterator[tuple[Rule[T], Placement]]:
        """Read a route; ``order`` counts the rules before it in the file."""

    def prepare(self, request: Request) -> bool:
        """Cut the port off the host; False when the request cannot match any route."""

    def standing(self, table: Table[T], request: Request) -> Callable[[Rule[T]], Standing]:
        """Return what decides between matching rules, in order; of two, the greater one wins."""


class Compatible:
    """``traditional_compatible``: strictly by priority."""

    def make_table(self) -> Table[Any]:
        return Index()

    def rules_of(
        self, entry: RouterEntry[T], order: int, problems: list[RouteProblem]
    ) -> Iterator[tuple[Rule[T], Placement]]:
        return compatible.rules_of(entry, problems)

    def prepare(self, request: Request) -> bool:
        if COLON in request.host:
            request.host_name, request.host_port = split_port(request.host)
        return request.path.isascii() or is_text(request.path)

    def standing(self, table: Table[T], request: Request) -> Callable[[Rule[T]], Standing]:
        return lambda rule: compatible.standing_of(rule.key)


class Expressions(Compatible):
    """``expressions``: by priority, too; routes are written in the language, or with the classic fields."""

    def rules_of(
        self, entry: RouterEntry[T], order: int, problems: list[RouteProblem]
    ) -> Iterator[tuple[Rule[T], Placement]]:
        return expression_rules.rules_of(entry, problems)

    def standing(self, table: Table[T], request: Request) -> Callable[[Rule[T]], Standing]:
        return lambda rule: expression_rules.standing_of(rule.key)


class Traditional:
    """``traditional``: by categories. Paths are bytes; what is not UTF-8 is passed on."""

    def make_table(self) -> Table[Any]:
        return TraditionalTable()

    def rules_of(
        self, entry: RouterEntry[T], order: int, problems: list[RouteProblem]
    ) -> Iterator[tuple[Rule[T], Placement]]:
        return traditional.rules_of(entry, order, problems)

    def prepare(self, request: Request) -> bool:
        if COLON in request.host:
            request.host_name, request.host_port = split_port_bracketed(request.host)
        return True

    def standing(self, table: Table[T], request: Request) -> Callable[[Rule[T]], Standing]:
        assert isinstance(table, TraditionalTable)
        walk = table.walk(request)

        def standing(rule: Rule[T]) -> Standing:
            met, category, reduced, key = walk(rule)
            kinds = category & (1 << KIND_BITS) - 1
            head = (("start", met), ("kinds", kinds.bit_count()), ("category", kinds), ("reduced", reduced))
            return (*head, *traditional.standing_of(key))

        return standing


def is_text(path: bytes) -> bool:
    """Tell whether the path is UTF-8; what is not has no route in Kong's default router."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


FLAVORS: dict[str, Callable[[], Flavor]] = {
    "traditional_compatible": Compatible,
    "traditional": Traditional,
    "expressions": Expressions,
}


def flavor_of(name: str) -> Flavor:
    """Return the flavour that the ``router_flavor`` setting names."""
    return FLAVORS[name]()
