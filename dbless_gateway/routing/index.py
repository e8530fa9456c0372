"""The index: from a request's host and path to the few rules that come into question.

Two levels: hosts (a dict of plain names, prefix maps for wildcards on either side, and the rules for any
host), and below each host the literal beginnings of paths. Every rule that can match a request lies on the
way, whatever its rank, so the answer is the same as trying all rules in order; keys only cut short what
cannot win any more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator
from typing import Generic

from dbless_gateway.routing.hosts import HostKind, HostPattern
from dbless_gateway.routing.leaf import Leaf, Offered
from dbless_gateway.routing.prefixes import PrefixMap
from dbless_gateway.routing.request import Request
from dbless_gateway.routing.rules import Placement, Rule, T
from dbless_gateway.routing.slices import SLICE, empty_steps

_OFFERED_SLICE = 1024


class PathLevel(Generic[T]):
    """The rules of one host, by the literal beginning of their path."""

    __slots__ = ("keys", "leaves", "offered", "parents", "top")

    def __init__(self) -> None:
        # What ``freeze_steps`` makes the rest from.
        self.offered: PrefixMap[Offered[T]] | None = PrefixMap()
        self.keys: list[bytes] = []
        self.parents: list[int] = []
        self.leaves: list[Leaf[T]] = []
        self.top = -1

    def put(self, prefix: bytes, rule: Rule[T], placement: Placement) -> None:
        """Offer a rule; before ``freeze_steps`` only."""
        assert self.offered is not None, "nothing can be put into what is frozen"
        self.offered.building.setdefault(prefix, []).append((rule, placement))

    def freeze_steps(self) -> Generator[None, None, None]:
        """Make the leaves, and tell each the greatest key on its chain of shorter prefixes."""
        found, self.offered = self.offered, None
        assert found is not None, "this is done once"
        yield from found.freeze_steps()
        self.keys, self.parents = found.keys, found.parents
        for number, offered in enumerate(found.values):
            leaf: Leaf[T] = Leaf()
            yield from leaf.freeze_steps(offered)
            parent = self.parents[number]
            leaf.chain_top = max(leaf.top, self.leaves[parent].chain_top if parent >= 0 else -1)
            self.top = max(self.top, leaf.top)
            self.leaves.append(leaf)
            if number % SLICE == SLICE - 1:
                yield
        yield from empty_steps(found.values, slice_size=_OFFERED_SLICE)

    def best(self, request: Request, floor: int) -> Rule[T] | None:
        """Return the matching rule with the greatest key above ``floor``."""
        path = request.path
        keys, parents, leaves = self.keys, self.parents, self.leaves
        best: Rule[T] | None = None
        number = bisect_right(keys, path) - 1
        while number >= 0 and not path.startswith(keys[number]):
            number = parents[number]
        while number >= 0:
            leaf = leaves[number]
            if leaf.chain_top <= floor:
                break
            for rule in leaf.rules:
                if rule.key <= floor:
                    break
                if rule.accepts(request):
                    best, floor = rule, rule.key
                    break
            if leaf.crowd is not None and (among := leaf.crowd.best(request, floor)) is not None:
                best, floor = among, among.key
            number = parents[number]
        return best

    def collect(self, request: Request, found: list[Rule[T]]) -> None:
        """Add every matching rule."""
        path = request.path
        number = bisect_right(self.keys, path) - 1
        while number >= 0 and not path.startswith(self.keys[number]):
            number = self.parents[number]
        while number >= 0:
            self.leaves[number].collect(request, found)
            number = self.parents[number]

    def dispose_steps(self) -> Generator[None, None, None]:
        """Let go of the leaves in slices."""
        for leaf in self.leaves:
            if leaf.crowd is not None:
                yield from leaf.crowd.dispose_steps()
        yield from empty_steps(self.leaves)


class Index(Generic[T]):
    """All rules of a router."""

    __slots__ = ("any", "exact", "prefixes", "suffixes")

    def __init__(self) -> None:
        self.exact: dict[bytes, PathLevel[T]] = {}
        self.suffixes: PrefixMap[PathLevel[T]] = PrefixMap()
        self.prefixes: PrefixMap[PathLevel[T]] = PrefixMap()
        self.any: PathLevel[T] = PathLevel()

    def put(self, rule: Rule[T], placement: Placement) -> None:
        """Offer a rule; before ``freeze_steps`` only."""
        levels = {id(level): level for level in map(self._level, placement.hosts)}
        for level in levels.values():
            for prefix in set(placement.prefixes):
                level.put(prefix, rule, placement)

    def _level(self, host: HostPattern) -> PathLevel[T]:
        if host.kind is HostKind.ANY:
            return self.any
        if host.kind is HostKind.EXACT:
            return self.exact.setdefault(host.text, PathLevel())
        if host.kind is HostKind.SUFFIX:
            return self.suffixes.building.setdefault(host.text[::-1], PathLevel())
        return self.prefixes.building.setdefault(host.text, PathLevel())

    def freeze_steps(self) -> Generator[None, None, None]:
        """Order everything; yields every few hundred microseconds."""
        yield from self.suffixes.freeze_steps()
        yield from self.prefixes.freeze_steps()
        yield from self.any.freeze_steps()
        for levels in (list(self.exact.values()), self.suffixes.values, self.prefixes.values):
            made = 0
            for level in levels:
                yield from level.freeze_steps()
                made += len(level.leaves)
                if made >= SLICE:
                    yield
                    made = 0

    def best(self, request: Request) -> Rule[T] | None:
        """Return the matching rule with the greatest key."""
        best: Rule[T] | None = None
        floor = -1
        for level in self._levels(request):
            if level.top > floor and (rule := level.best(request, floor)) is not None:
                best, floor = rule, rule.key
        return best

    def all(self, request: Request) -> list[Rule[T]]:
        """Return every matching rule, in no particular order; one with several hosts may be there twice."""
        found: list[Rule[T]] = []
        for level in self._levels(request):
            level.collect(request, found)
        return found

    def _levels(self, request: Request) -> list[PathLevel[T]]:
        plain = self.exact.get(request.host_name)
        levels = [] if plain is None else [plain]
        if request.host_port is not None and (ported := self.exact.get(request.host)) is not None:
            levels.append(ported)
        if self.suffixes.keys:
            levels.extend(self.suffixes.all(request.host_name[::-1]))
        if self.prefixes.keys:
            levels.extend(self.prefixes.all(request.host_name))
        levels.append(self.any)
        return levels

    def dispose_steps(self) -> Generator[None, None, None]:
        """Let go of the rules in slices; whoever still holds one keeps it."""
        yield from self.any.dispose_steps()
        freed = 0
        for levels in (self.suffixes.values, self.prefixes.values, self.exact):
            while levels:
                level = levels.popitem()[1] if isinstance(levels, dict) else levels.pop()
                freed += len(level.leaves)
                if freed >= SLICE:
                    yield from level.dispose_steps()
                    yield
                    freed = 0
