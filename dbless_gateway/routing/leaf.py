"""A leaf of the index: the rules that one host and one path prefix lead to.

Nearly always that is a rule or two, tried in the order of their rank. A crowd is told apart once more: by
the value of a header, a query argument, a path segment or a word in the path, the method or the SNI,
whichever splits it best; and regexes that are still together go into sets. So a table with one path and ten
thousand headers is no slower than one with as many paths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from operator import attrgetter
from typing import Generic

from dbless_gateway.routing.anatomy import words_of
from dbless_gateway.routing.query import query_values
from dbless_gateway.routing.regexes import SET_PROGRAM_SIZE, SET_SIZE, Regex, RegexSet
from dbless_gateway.routing.request import Request
from dbless_gateway.routing.rules import Placement, Rule, Selector, SelectorKind, T
from dbless_gateway.routing.slices import SLICE, empty_steps

# Trying a rule costs about 0.2 us, a selector or a set about 1 us: below this, trying one after another is
# faster.
CROWD = 8
_SLICE = 128
_NAMES_SLICE = 1024

# What is put into a leaf: rules with their places.
Offered = list[tuple[Rule[T], Placement]]

_by_key = attrgetter("key")


class Leaf(Generic[T]):
    """``top`` is the greatest key inside; ``chain_top`` also counts the leaves of shorter prefixes.

    ``rules`` are those outside the crowd, the greatest key first.
    """

    __slots__ = ("chain_top", "crowd", "rules", "top")

    def __init__(self) -> None:
        self.rules: tuple[Rule[T], ...] = ()
        self.crowd: Crowd[T] | None = None
        self.top = -1
        self.chain_top = -1

    def freeze_steps(self, offered: Offered[T]) -> Generator[None, None, None]:
        """Order the rules, and divide them when they are many."""
        self.top = max(rule.key for rule, _ in offered)
        if len(offered) > CROWD:
            crowd: Crowd[T] = Crowd()
            rules = yield from crowd.divide_steps(offered)
            self.crowd = crowd
            yield from empty_steps(offered, slice_size=_NAMES_SLICE)
        else:
            rules = [rule for rule, _ in offered]
        self.rules = tuple(sorted(rules, key=_by_key, reverse=True))

    def collect(self, request: Request, found: list[Rule[T]]) -> None:
        """Add every matching rule."""
        for rule in self.rules:
            if rule.accepts(request):
                found.append(rule)
        if self.crowd is not None:
            self.crowd.collect(request, found)


class Crowd(Generic[T]):
    """Many rules of one leaf, in buckets by selector and in sets of regexes."""

    __slots__ = ("buckets", "sets")

    def __init__(self) -> None:
        self.buckets: dict[tuple[SelectorKind, bytes], dict[bytes, list[Rule[T]]]] = {}
        self.sets: list[tuple[RegexSet, list[Rule[T]]]] = []

    def divide_steps(self, offered: Offered[T]) -> Generator[None, None, list[Rule[T]]]:
        """Take what can be told apart, and return the rest."""
        crowding = yield from _count_steps(offered)
        rest: list[Rule[T]] = []
        regexes: list[tuple[Rule[T], Regex]] = []
        for number, (rule, placement) in enumerate(offered):
            selector, fullest = _most_selective(placement.selectors, crowding)
            regex = placement.regex if _fits_set(placement.regex) else None
            if selector is not None and (fullest <= CROWD or (regex is None and fullest < len(offered))):
                self._put(rule, selector)
            elif regex is not None:
                regexes.append((rule, regex))
            else:
                rest.append(rule)
            if number % _SLICE == 0:
                yield
        yield from empty_steps(crowding, slice_size=_NAMES_SLICE)
        yield from self._order_steps()
        if len(regexes) <= CROWD:
            return rest + [rule for rule, _ in regexes]
        yield from self._gather_steps(regexes)
        return rest

    def _put(self, rule: Rule[T], selector: Selector) -> None:
        buckets = self.buckets.setdefault((selector.kind, selector.name), {})
        for value in selector.values:
            buckets.setdefault(value, []).append(rule)

    def _order_steps(self) -> Generator[None, None, None]:
        for buckets in self.buckets.values():
            for number, rules in enumerate(buckets.values()):
                rules.sort(key=_by_key, reverse=True)
                if number % _SLICE == 0:
                    yield

    def _gather_steps(self, pairs: list[tuple[Rule[T], Regex]]) -> Generator[None, None, None]:
        """Fill the sets; those with the greatest keys first, so that a search can stop early."""
        pairs.sort(key=lambda pair: pair[0].key, reverse=True)
        start = 0
        while start < len(pairs):
            gathered = RegexSet(text=pairs[0][1].text)
            size, program_size = 0, 0
            while start + size < len(pairs) and size < SET_SIZE and program_size < SET_PROGRAM_SIZE:
                regex = pairs[start + size][1]
                gathered.add(regex)
                program_size += regex.program_size
                size += 1
                if size % _SLICE == 0:
                    yield
            gathered.compile()
            self.sets.append((gathered, [rule for rule, _ in pairs[start : start + size]]))
            start += size
            yield

    def best(self, request: Request, floor: int) -> Rule[T] | None:
        """Return the matching rule with the greatest key above ``floor``."""
        best: Rule[T] | None = None
        for (kind, name), buckets in self.buckets.items():
            for value in buckets.keys() & values_of(kind, name, request):
                for rule in buckets[value]:
                    if rule.key <= floor:
                        break
                    if rule.accepts(request):
                        best, floor = rule, rule.key
                        break
        for gathered, rules in self.sets:
            if rules[0].key <= floor:
                break
            for number in sorted(gathered.matches(request.path) or ()):
                rule = rules[number]
                if rule.key <= floor:
                    break
                if rule.accepts_but_regex(request):
                    best, floor = rule, rule.key
                    break
        return best

    def collect(self, request: Request, found: list[Rule[T]]) -> None:
        """Add every matching rule."""
        for (kind, name), buckets in self.buckets.items():
            for value in buckets.keys() & values_of(kind, name, request):
                found += [rule for rule in buckets[value] if rule.accepts(request)]
        for gathered, rules in self.sets:
            for number in gathered.matches(request.path) or ():
                if rules[number].accepts_but_regex(request):
                    found.append(rules[number])

    def dispose_steps(self) -> Generator[None, None, None]:
        """Let go of the rules in slices."""
        freed = 0
        for buckets in self.buckets.values():
            while buckets:
                rules = buckets.popitem()[1]
                freed += len(rules)
                if freed >= SLICE:
                    yield from empty_steps(rules)
                    yield
                    freed = 0
        while self.sets:
            yield from empty_steps(self.sets.pop()[1])
            yield


def _count_steps(
    offered: Offered[T],
) -> Generator[None, None, Counter[tuple[SelectorKind, bytes, bytes]]]:
    crowding: Counter[tuple[SelectorKind, bytes, bytes]] = Counter()
    for number, (_, placement) in enumerate(offered):
        for selector in placement.selectors:
            for value in selector.values:
                crowding[selector.kind, selector.name, value] += 1
        if number % _SLICE == 0:
            yield
    return crowding


def _most_selective(
    selectors: tuple[Selector, ...], crowding: Counter[tuple[SelectorKind, bytes, bytes]]
) -> tuple[Selector | None, int]:
    """Return the selector whose fullest bucket is the emptiest, and how many rules that bucket gets."""
    best: Selector | None = None
    emptiest = 0
    for selector in selectors:
        fullest = max(crowding[selector.kind, selector.name, value] for value in selector.values)
        if best is None or fullest < emptiest:
            best, emptiest = selector, fullest
    return best, emptiest


def _fits_set(regex: Regex | None) -> bool:
    return regex is not None and regex.program_size <= SET_PROGRAM_SIZE


def values_of(kind: SelectorKind, name: bytes, request: Request) -> list[bytes]:
    """Return what the request has there; some of it may be there twice."""
    if kind is SelectorKind.HEADER:
        return [value.lower() for value in request.headers.get_all(name)]
    if kind is SelectorKind.SEGMENT:
        return request.path.split(b"/")
    if kind is SelectorKind.WORD:
        return words_of(request.path)
    if kind is SelectorKind.METHOD:
        return [request.method]
    if kind is SelectorKind.QUERY:
        return query_values(request.query, name)
    return [] if request.conn.sni is None else [request.conn.sni.lower()]
