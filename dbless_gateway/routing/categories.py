"""The walk of the ``traditional`` flavour through its categories.

A request starts at the category with exactly the kinds that *could* match it (each kind for itself, over the
whole table), if there is one, else at the first; it goes down until a route matches. In a category the
routes of a "reduced" list are tried before the others: those with the first route header that the request
has, else the shortest of the lists by host, by path, by method and by SNI.

Trying one route after the other, as Kong does, would be slow on a large table. The index yields the rules
that match, and ``TraditionalTable`` picks the one which that walk would have met first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from operator import attrgetter, itemgetter
from typing import Generic, NamedTuple

from dbless_gateway.config.records import replace
from dbless_gateway.routing.classic import header_name
from dbless_gateway.routing.conditions import PathFound, PathStarts
from dbless_gateway.routing.hosts import HostKind, HostPattern, parse_host, parse_sni
from dbless_gateway.routing.index import Index, PathLevel
from dbless_gateway.routing.prefixes import PrefixMap
from dbless_gateway.routing.request import Request
from dbless_gateway.routing.rules import Placement, Rule, T
from dbless_gateway.routing.slices import empty_steps
from dbless_gateway.routing.traditional import RANK_BITS, Kind, category_of, port_of, takes

_CATEGORY_BITS = 10
# Freeing so many names takes about 0.3 ms.
_DISPOSE_SLICE = 1024
_RANK_MASK = (1 << RANK_BITS) - 1
# Plain numbers: arithmetic with the members of a Flag costs a microsecond each time.
_LISTED = tuple((kind, kind.value) for kind in (Kind.HOST, Kind.URI, Kind.METHOD, Kind.SNI))
_HEADER = Kind.HEADER.value
_PATHS_ALONE = category_of(Kind.URI.value)
_by_key = attrgetter("key")
_UNSURE = (Kind.SNI | Kind.SRC | Kind.DST).value


class Listing(NamedTuple):
    """The name of a list of routes inside a category."""

    category: int
    kind: Kind
    name: bytes


class Hits(NamedTuple):
    """What each kind for itself found for a request; ``names`` are those that routes are listed under."""

    kinds: int
    header: bytes | None
    names: dict[Kind, bytes]


class TraditionalTable(Generic[T]):
    """The rules of a router, the index over them, and what the walk needs to know of the whole table."""

    __slots__ = ("_categories", "_headers", "_hosts", "_index", "_methods", "_paths", "_sizes", "_snis")

    def __init__(self) -> None:
        self._index: Index[T] = Index()
        self._categories: set[int] = set()
        self._sizes: Counter[Listing] = Counter()
        self._hosts = KnownHosts()
        self._headers: dict[bytes, tuple[int, int]] = {}  # the rank of its first route, and its place there
        self._paths: PathLevel[T] = PathLevel()
        self._methods: set[bytes] = set()
        self._snis: set[bytes] = set()

    def put(self, rule: Rule[T], placement: Placement) -> None:
        """Take a rule; before ``freeze_steps`` only."""
        self._index.put(rule, placement)
        route = rule.entry.route
        category = rule.key >> RANK_BITS
        self._categories.add(category)
        rank = rule.key & _RANK_MASK
        for kind, name in _names_of(rule):
            self._sizes[Listing(category, kind, name)] += 1
        for place, header in enumerate(route.headers or ()):
            name = header_name(header)
            self._headers[name] = max((rank, -place), self._headers.get(name, (-1, 0)))
        self._methods.update(method.encode() for method in route.methods or ())
        self._snis.update(parse_sni(sni).text for sni in route.snis or ())
        for host in route.hosts or ():
            self._hosts.add(host, rank)
        if rule.path is not None:
            self._paths.put(placement.prefixes[0], _path_only(rule), Placement(regex=placement.regex))

    def freeze_steps(self) -> Generator[None, None, None]:
        """Order everything; yields every few hundred microseconds."""
        yield from self._index.freeze_steps()
        yield from self._paths.freeze_steps()
        yield from self._hosts.freeze_steps()
        self._headers = dict(sorted(self._headers.items(), key=itemgetter(1), reverse=True))

    def dispose_steps(self) -> Generator[None, None, None]:
        """Let go of the rules in slices."""
        yield from self._index.dispose_steps()
        yield from self._paths.dispose_steps()
        yield from empty_steps(self._sizes, slice_size=_DISPOSE_SLICE)

    def best(self, request: Request) -> Rule[T] | None:
        """Return the rule that Kong's walk meets first."""
        matching = self._index.all(request)
        if not matching:
            return None
        if (leader := _leader_of(matching)) is not None:
            return leader
        walk = self.walk(request)
        best = max(matching, key=walk)
        return best if walk(best)[0] else None

    def walk(self, request: Request) -> Callable[[Rule[T]], tuple[bool, int, bool, int]]:
        """Return how early the walk for this request meets a matching rule; the greatest is met first.

        The parts are: met at all, the category, on its reduced list, and the rule's key.
        """
        hits = self._hits(request)
        start = self._start(hits)
        reduced: dict[int, Listing | None] = {}

        def standing(rule: Rule[T]) -> tuple[bool, int, bool, int]:
            category = rule.key >> RANK_BITS
            if category not in reduced:
                reduced[category] = self._reduced_list(category, hits)
            listed = reduced[category]
            # Without a reduced list all are equal.
            is_reduced = listed is not None and (listed.kind, listed.name) in _names_of(rule)
            return category <= start, category, is_reduced, rule.key

        return standing

    def _start(self, hits: Hits) -> int:
        exact = category_of(hits.kinds)
        return exact if exact in self._categories else 1 << _CATEGORY_BITS

    def _reduced_list(self, category: int, hits: Hits) -> Listing | None:
        if category & _HEADER and hits.header is not None:
            return Listing(category, Kind.HEADER, hits.header)
        lists = [
            Listing(category, kind, hits.names[kind])
            for kind, value in _LISTED
            if value & category and kind in hits.names
        ]
        filled = [listing for listing in lists if self._sizes[listing]]
        return min(filled, key=self._sizes.__getitem__, default=None)

    def _hits(self, request: Request) -> Hits:
        names: dict[Kind, bytes] = {}
        if (host := self._hosts.find(request)) is not None:
            names[Kind.HOST] = host
        if (path := self._paths.best(request, -1)) is not None:
            names[Kind.URI] = _path_name(path)
        if request.method in self._methods:
            names[Kind.METHOD] = request.method
        if request.conn.sni is not None and (sni := request.conn.sni.lower()) in self._snis:
            names[Kind.SNI] = sni
        header = next((name for name in self._headers if request.headers.get_all(name)), None)
        kinds = sum(kind.value for kind in names) | (_HEADER if header is not None else 0)
        return Hits(kinds, header, names)


def _leader_of(matching: list[Rule[T]]) -> Rule[T] | None:
    """Return the rule that any walk meets first, or None when that depends on what else is in the table.

    The walk starts at the kinds that could match, and those of the greatest matching category are among them:
    but for those that match a plain connection without being there (SNI), and those that only stream routes
    have. So a rule that is alone in that category is met first. Among prefixes that are all there is, the
    reduced list is that of the longest, which ranks first without it, too.
    """
    leader = matching[0] if len(matching) == 1 else max(matching, key=_by_key)
    category = leader.key >> RANK_BITS
    if category & _UNSURE:
        return None
    if len(matching) == 1:
        return leader
    peers = [rule for rule in matching if rule.key >> RANK_BITS == category]
    if len(peers) == 1 or (category == _PATHS_ALONE and all(rule.search is None for rule in peers)):
        return leader
    return None


def _names_of(rule: Rule[T]) -> list[tuple[Kind, bytes]]:
    """Return the lists that a rule is on."""
    route = rule.entry.route
    names = [(Kind.HOST, host.lower().encode()) for host in route.hosts or ()]
    names += [(Kind.HEADER, header_name(name)) for name in route.headers or ()]
    names += [(Kind.METHOD, method.encode()) for method in route.methods or ()]
    names += [(Kind.SNI, parse_sni(sni).text) for sni in route.snis or ()]
    if rule.path is not None:
        names.append((Kind.URI, _path_name(rule)))
    return names


def _path_name(rule: Rule[T]) -> bytes:
    """Return the path as the route writes it; a regex keeps its ``^``, so that no prefix is taken for it."""
    if isinstance(rule.path, PathFound):
        return rule.path.regex.pattern
    return rule.path.prefix if isinstance(rule.path, PathStarts) else b""


def _path_only(rule: Rule[T]) -> Rule[T]:
    """Return a rule for finding the path alone: the regex that ranks first, else the longest prefix."""
    rank = rule.key & _RANK_MASK
    key = (
        rank | 1 << RANK_BITS
        if isinstance(rule.path, PathFound)
        else len(_path_name(rule)) << 32 | rank & 0xFFFFFFFF
    )
    return replace(rule, key=key, conditions=(), checks=())


class KnownHosts:
    """All hosts of the table; finds the one that a request is filed under."""

    __slots__ = ("_plain", "_prefixes", "_suffixes", "_wildcards")

    def __init__(self) -> None:
        self._plain: set[bytes] = set()
        self._wildcards: dict[HostPattern, tuple[int, bytes]] = {}  # the rank of the first route, the name
        self._suffixes: PrefixMap[list[HostPattern]] = PrefixMap()
        self._prefixes: PrefixMap[list[HostPattern]] = PrefixMap()

    def add(self, host: str, rank: int) -> None:
        """Take an element of some route's ``hosts``."""
        name = host.lower().encode()
        pattern = parse_host(host)
        if pattern.kind is HostKind.EXACT:
            self._plain.add(name)
            return
        known = self._wildcards.get(pattern)
        if known is None:
            suffix = pattern.kind is HostKind.SUFFIX
            building = self._suffixes.building if suffix else self._prefixes.building
            building.setdefault(pattern.text[::-1] if suffix else pattern.text, []).append(pattern)
        if known is None or known[0] < rank:
            self._wildcards[pattern] = (rank, name)

    def freeze_steps(self) -> Generator[None, None, None]:
        """Order the wildcards."""
        yield from self._suffixes.freeze_steps()
        yield from self._prefixes.freeze_steps()

    def find(self, request: Request) -> bytes | None:
        """Return the plain host with its port, else without, else the wildcard whose route ranks first."""
        port = port_of(request)
        if (ported := b"%b:%d" % (request.host_name, port or 0)) in self._plain:
            return ported
        if request.host_name in self._plain:
            return request.host_name
        fitting = [
            self._wildcards[pattern]
            for patterns in (
                *self._suffixes.all(request.host_name[::-1]),
                *self._prefixes.all(request.host_name),
            )
            for pattern in patterns
            if takes(pattern, request)
        ]
        return max(fitting)[1] if fitting else None
