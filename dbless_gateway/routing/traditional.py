"""The ``traditional`` flavour: how a route becomes rules, and how they rank.

Routes that use the same kinds of attributes form a category. Categories rank by how many kinds they use,
then by which; inside one, the order is that of ``rank``. Which category a request starts at, and which of
its routes it tries first, is the subject of ``categories``.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntFlag
from typing import ClassVar

from dbless_gateway.config.entities import Route
from dbless_gateway.config.records import dataclass
from dbless_gateway.routing.anatomy import anatomy
from dbless_gateway.routing.classic import (
    has_attributes,
    path_selectors,
    read_headers,
    read_others,
    read_regex,
    selectors_of,
    service_path_of,
    unmatchable,
)
from dbless_gateway.routing.conditions import Condition, PathFound, PathStarts
from dbless_gateway.routing.hosts import ANY_HOST, HostKind, HostPattern, parse_host
from dbless_gateway.routing.problems import RouteProblem
from dbless_gateway.routing.request import Request
from dbless_gateway.routing.rules import Placement, RouterEntry, Rule, T

_DEFAULT_PORTS = {b"http": 80, b"https": 443}

# The fields of a key, from the lowest: file order, age, path length, regex_priority, headers, sub-weight.
_ORDER_BITS = 32
_AGE_BITS = 40
_LENGTH_BITS = 20
_PRIORITY_BITS = 40
_HEADER_BITS = 16
_WEIGHT_BITS = 3
RANK_BITS = _ORDER_BITS + _AGE_BITS + _LENGTH_BITS + _PRIORITY_BITS + _HEADER_BITS + _WEIGHT_BITS


class Kind(IntFlag):
    """The kinds of attributes; a higher value goes first among categories with equally many."""

    HOST = 0x40
    HEADER = 0x20
    URI = 0x10
    METHOD = 0x08
    SNI = 0x04
    SRC = 0x02
    DST = 0x01


KIND_BITS = len(Kind)

_WILDCARD_WITH_PORT, _PLAIN_HOSTS, _REGEX_PATH = 4, 2, 1


@dataclass(frozen=True, slots=True)
class TraditionalHostIn:
    """Hosts of the traditional flavour.

    Plain ones count as sent or without the port; for wildcards a port that is not given is the scheme's.
    """

    plain: frozenset[bytes]
    wildcards: tuple[HostPattern, ...]
    kind: ClassVar[str] = "hosts"

    def __call__(self, request: Request) -> bool:
        if request.host in self.plain or request.host_name in self.plain:
            return True
        return any(takes(pattern, request) for pattern in self.wildcards)


def takes(pattern: HostPattern, request: Request) -> bool:
    """Tell whether a wildcard fits; its ``*`` stands for at least one character."""
    if len(request.host_name) <= len(pattern.text) or not pattern.takes_name(request.host_name):
        return False
    return pattern.port is None or pattern.port == port_of(request)


def port_of(request: Request) -> int | None:
    """Return the port in the Host header, else the usual one of the scheme."""
    if request.host_port is not None:
        return request.host_port
    return _DEFAULT_PORTS.get(request.conn.scheme)


def category_of(kinds: int) -> int:
    """Return the rank of a category: the number of its kinds, then their value."""
    return kinds.bit_count() << KIND_BITS | kinds


def kinds_of(route: Route) -> int:
    """Return the kinds that a route uses."""
    used = {
        Kind.HOST: route.hosts,
        Kind.HEADER: route.headers,
        Kind.URI: route.paths,
        Kind.METHOD: route.methods,
        Kind.SNI: route.snis,
        Kind.SRC: route.sources,
        Kind.DST: route.destinations,
    }
    return sum(kind.value for kind, values in used.items() if values)


def rank(route: Route, path: str | None, order: int) -> int:
    """Return the order inside a category; ``order`` is the place in the file and decides last."""
    hosts = [parse_host(host) for host in route.hosts or ()]
    wildcards = [host for host in hosts if host.kind is not HostKind.EXACT]
    is_regex = path is not None and path.startswith("~")
    weight = _WILDCARD_WITH_PORT if any(host.port is not None for host in wildcards) else 0
    weight |= _PLAIN_HOSTS if hosts and not wildcards else 0
    weight |= _REGEX_PATH if is_regex else 0
    number = weight << _HEADER_BITS | _clamp(len(route.headers or ()), _HEADER_BITS)
    regex_priority = route.regex_priority if is_regex else 0
    number = number << _PRIORITY_BITS | _clamp(regex_priority + (1 << _PRIORITY_BITS - 1), _PRIORITY_BITS)
    length = 0 if path is None or is_regex else len(path.encode())
    number = number << _LENGTH_BITS | _clamp(length, _LENGTH_BITS)
    number = number << _AGE_BITS | ((1 << _AGE_BITS) - 1 - _clamp(route.created_at, _AGE_BITS))
    return number << _ORDER_BITS | ((1 << _ORDER_BITS) - 1 - order)


def standing_of(key: int) -> tuple[tuple[str, int], ...]:
    """Return what the rank in a key is made of, in the order in which it decides."""
    fields: list[tuple[str, int]] = []
    for name, bits in (
        ("order", _ORDER_BITS),
        ("created_at", _AGE_BITS),
        ("path_length", _LENGTH_BITS),
        ("regex_priority", _PRIORITY_BITS),
        ("headers", _HEADER_BITS),
        ("sub_weight", _WEIGHT_BITS),
    ):
        fields.append((name, key & (1 << bits) - 1))
        key >>= bits
    return tuple(reversed(fields))


def _clamp(value: int, bits: int) -> int:
    return min(max(value, 0), (1 << bits) - 1)


def rules_of(
    entry: RouterEntry[T], order: int, problems: list[RouteProblem]
) -> Iterator[tuple[Rule[T], Placement]]:
    """Yield the rules of a route: one for each path, or one; ``order`` counts the rules before it."""
    route = entry.route
    if not has_attributes(route):
        problems.append(unmatchable(route))
        return
    others = read_others(route) + tuple(read_headers(route, problems, traditional=True))
    if not route.paths:
        yield _rule(entry, order, None, None, others)
        return
    for place, path in enumerate(route.paths):
        condition: PathFound | PathStarts = PathStarts(path.encode())
        if path.startswith("~"):
            regex = read_regex(route, place, path, problems, text=False)
            if regex is None:
                continue
            condition = PathFound(regex)
        yield _rule(entry, order + place, path, condition, others)


def _rule(
    entry: RouterEntry[T],
    order: int,
    path: str | None,
    condition: PathFound | PathStarts | None,
    others: tuple[Condition, ...],
) -> tuple[Rule[T], Placement]:
    route = entry.route
    wildcards, places = _read_hosts(route)
    plain = frozenset(place.text for place in places if place.kind is HostKind.EXACT)
    hosts = (TraditionalHostIn(plain, wildcards),) if places else ()
    regex = condition.regex if isinstance(condition, PathFound) else None
    rule = Rule(
        key=category_of(kinds_of(route)) << RANK_BITS | rank(route, path, order),
        entry=entry,
        conditions=(*hosts, *((condition,) if condition else ()), *others),
        checks=(hosts if wildcards else ()) + others,
        path=condition,
        search=condition if regex is not None else None,
        value=entry.value,
        service_path=service_path_of(entry.service),
        strip=route.strip_path,
        v1=route.path_handling == "v1",
    )
    prefix = condition.prefix if isinstance(condition, PathStarts) else b""
    selectors = selectors_of(others)
    if path is not None and regex is not None:
        parts = anatomy(path[1:])
        prefix = parts.prefix
        selectors += path_selectors(parts)
    return rule, Placement(places or (ANY_HOST,), (prefix,), selectors, regex)


def _read_hosts(route: Route) -> tuple[tuple[HostPattern, ...], tuple[HostPattern, ...]]:
    """Return the wildcards, and where the index keeps all: a plain host under its name with its port."""
    wildcards: list[HostPattern] = []
    places: list[HostPattern] = []
    for host in route.hosts or ():
        pattern = parse_host(host)
        if pattern.kind is HostKind.EXACT:
            pattern = HostPattern(HostKind.EXACT, host.lower().encode(), None)
        else:
            wildcards.append(pattern)
        places.append(pattern)
    return tuple(wildcards), tuple(places)
