"""The router: which route takes this request, and what its target is asked for.

``build_steps`` compiles entries into a ``Router`` in slices of a few hundred microseconds, so that it can
run on a serving event loop. ``Router.match`` looks into a bounded cache of decisions, then asks the index.
Both answer exactly as trying every route in the flavour's order would.

It knows nothing of connections, targets or plugins: what a route stands for is the caller's ``value``.
``match`` never raises, for any bytes. A router has no reference cycles, so dropping it frees it at once; a
large one is better emptied with ``dispose_steps`` first.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Generic

from dbless_gateway.routing.cache import GENERATION, Decisions, generation_for
from dbless_gateway.routing.classic import is_http
from dbless_gateway.routing.expressions.rules import stream_problems
from dbless_gateway.routing.flavors import Flavor, Table, flavor_of
from dbless_gateway.routing.inputs import Inputs
from dbless_gateway.routing.match import Captures, Match, make_match
from dbless_gateway.routing.problems import RouteProblem
from dbless_gateway.routing.request import Connection, HeaderLookup, Request
from dbless_gateway.routing.rules import RouterEntry, T

__all__ = [
    "Captures",
    "Connection",
    "HeaderLookup",
    "Match",
    "RouteProblem",
    "Router",
    "RouterEntry",
    "build",
    "build_steps",
]

# Reading a route costs 10-20 us, with a regex or an expression up to 100 us.
_READ_SLICE = 8
# Longer keys are not worth remembering: 4 x 4,096 of them must not fill a worker's memory.
_MAX_CACHED_BYTES = 512


class Router(Generic[T]):
    """A compiled table of routes; immutable but for its cache."""

    __slots__ = ("_decided", "_key", "_missed", "_table", "flavor", "problems")

    def __init__(
        self,
        flavor: Flavor,
        table: Table[T],
        inputs: Inputs,
        problems: tuple[RouteProblem, ...],
        remembered: int = GENERATION,
    ) -> None:
        self.flavor = flavor
        self.problems = problems
        self._table = table
        self._key = inputs.key_maker()
        self._decided: Decisions[Match[T]] = Decisions(remembered)
        self._missed: Decisions[bool] = Decisions()

    def match(
        self,
        method: bytes,
        host: bytes,
        path: bytes,
        conn: Connection,
        headers: HeaderLookup,
        query: bytes | None,
    ) -> Match[T] | None:
        """Return the route that takes the request.

        ``path`` is normalised; ``host`` is the Host header as sent, ``query`` the raw query without ``?``.
        """
        key = self._key(method, host, path, conn, headers, query)
        match = self._decided.get(key)
        if match is not None or self._missed.get(key):
            return match
        match = self.decide(Request(method, host, path, conn, headers, query))
        if len(path) + len(host) <= _MAX_CACHED_BYTES:
            if match is None:
                self._missed.put(key, True)
            else:
                self._decided.put(key, match)
        return match

    def decide(self, request: Request) -> Match[T] | None:
        """Return the same without the cache, for requests that will not come again."""
        if not self.flavor.prepare(request):
            return None
        rule = self._table.best(request)
        return None if rule is None else make_match(rule, request)

    def dispose_steps(self) -> Generator[None, None, None]:
        """Empty the router in slices of a few hundred microseconds, once nobody matches with it any more."""
        # An empty table first: a request that comes too late is a miss and not an error.
        table, self._table = self._table, self.flavor.make_table()
        yield from self._decided.dispose_steps()
        yield from self._missed.dispose_steps()
        yield from table.dispose_steps()


def build(entries: Iterable[RouterEntry[T]], flavor: str) -> Router[T]:
    """Compile at once."""
    steps = build_steps(entries, flavor)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            router: Router[T] = stop.value
            return router


def build_steps(entries: Iterable[RouterEntry[T]], flavor: str) -> Generator[None, None, Router[T]]:
    """Compile in slices; what is wrong is in the router's ``problems``, and then it must not be used.

    Atomic are: reading eight routes (0.1-0.8 ms; a single huge regex may take longer), sorting 512 prefixes,
    merging two sorted lists, ordering one leaf, and compiling a set of regexes (about 2.5 ms, and only where
    hundreds share a host and the beginning of their path).
    """
    reading = flavor_of(flavor)
    problems: list[RouteProblem] = []
    inputs = Inputs()
    table: Table[T] = reading.make_table()
    order = 0
    for number, entry in enumerate(entries):
        if entry.service is not None and not entry.service.enabled:
            continue
        if not is_http(entry.route):
            problems.extend(stream_problems(entry.route))
            continue
        for rule, placement in reading.rules_of(entry, order, problems):
            inputs.note(rule.conditions)
            table.put(rule, placement)
            order += 1
        if number % _READ_SLICE == _READ_SLICE - 1:
            yield
    yield from table.freeze_steps()
    return Router(reading, table, inputs, tuple(problems), generation_for(order))
