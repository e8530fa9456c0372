"""A rule: one route, or one path of a route, with its rank and its conditions; and where the index keeps it.

All flavours turn routes into rules; the index and the router see nothing but rules. ``Placement`` holds what
a request must have for the rule to come into question at all. It may promise less than the conditions do,
never more: ``checks`` are the conditions that the placement leaves open.
"""

from __future__ import annotations

from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from dbless_gateway.config.entities import Route, Service
from dbless_gateway.config.records import dataclass
from dbless_gateway.routing.conditions import Condition, PathCondition
from dbless_gateway.routing.hosts import ANY_HOST, HostPattern
from dbless_gateway.routing.regexes import Regex
from dbless_gateway.routing.request import Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RouterEntry(Generic[T]):
    """A route to be matched, its service, and what the match is to yield."""

    route: Route
    service: Service | None
    value: T


@dataclass(frozen=True, slots=True, eq=False)
class Rule(Generic[T]):
    """``key`` is the rank as one number: of two rules that match, the greater one wins. Keys are unique.

    ``checks`` leave a regex on the path (``search``) out, because a set may already have tried it. What a
    match needs of the route stands here again: in a large table each object that is looked at is a cache
    miss of the processor.
    """

    key: int
    entry: RouterEntry[T]
    conditions: tuple[Condition, ...]
    checks: tuple[Condition, ...]
    path: PathCondition | None
    search: PathCondition | None
    value: T
    service_path: bytes
    strip: bool
    v1: bool

    def accepts(self, request: Request) -> bool:
        """Tell whether a rule that the index offers really matches."""
        for check in self.checks:
            if not check(request):
                return False
        return self.search is None or self.search(request)

    def accepts_but_regex(self, request: Request) -> bool:
        """Tell the same when the regex is known to match."""
        for check in self.checks:  # noqa: SIM110 - a generator would cost half a microsecond more
            if not check(request):
                return False
        return True


class SelectorKind(Enum):
    """What else, besides host and path, can tell many rules apart by one look-up."""

    HEADER = "header"
    QUERY = "query"
    SEGMENT = "segment"
    WORD = "word"
    METHOD = "method"
    SNI = "sni"


class Selector(NamedTuple):
    """The rule can match only when the request has one of ``values`` there; header values in lower case."""

    kind: SelectorKind
    name: bytes
    values: frozenset[bytes]


class Placement(NamedTuple):
    """What a request must have for a rule to come into question.

    That is one of the hosts, a path that begins with one of the prefixes and in which the regex is found,
    and each of the selectors.
    """

    hosts: tuple[HostPattern, ...] = (ANY_HOST,)
    prefixes: tuple[bytes, ...] = (b"",)
    selectors: tuple[Selector, ...] = ()
    regex: Regex | None = None
