"""The ``traditional_compatible`` flavour: how a route becomes rules, and how they rank.

Kong evaluates all rules strictly by a 64-bit priority, greatest first, and equal ones by the greater id. Its
bits are written down in ``priority``; the rank here is that number with the id behind it, so that keys are
unique.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from dbless_gateway.config.entities import Route
from dbless_gateway.config.identity import number_of, uuid5
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
from dbless_gateway.routing.conditions import Condition, HostIn, PathFound, PathStarts
from dbless_gateway.routing.hosts import ANY_HOST, parse_host
from dbless_gateway.routing.problems import RouteProblem
from dbless_gateway.routing.rules import Placement, RouterEntry, Rule, T

_GROUP_NAMESPACE = bytes.fromhex("7f145bf90dce4f9198ebdebbce4b9f6b")
_ID_BITS = 128
# Paths of one group share priority and id; the earlier one in the file is tried first.
_PLACE_BITS = 16
_MAX_PLACE = (1 << _PLACE_BITS) - 1
_MAX_HEADERS = 255
_REMEMBERED_HOSTS = 256
_MAX_PATH_LENGTH = (1 << 19) - 1
# Kong shifts a regex_priority in as 32 bits; the half makes negative ones rank below zero.
_REGEX_PRIORITY_HALF = 1 << 31


def rules_of(
    entry: RouterEntry[T], problems: list[RouteProblem], more: tuple[Condition, ...] = ()
) -> Iterator[tuple[Rule[T], Placement]]:
    """Yield the rules of a route: one for each path, or one; ``more`` are conditions besides its fields."""
    route = entry.route
    if not has_attributes(route):
        problems.append(unmatchable(route))
        return
    hosts = _host_in(route.hosts) if route.hosts else None
    # Joined by "+", which copies nothing where one side is empty.
    conditions = read_others(route) + tuple(read_headers(route, problems, traditional=False)) + more
    if not route.paths:
        yield _rule(entry, priority(route, None), number_of(route.id), 0, hosts, conditions, None)
        return
    ids = group_ids(route)
    for place, path in enumerate(route.paths):
        condition: PathFound | PathStarts = PathStarts(path.encode())
        if path.startswith("~"):
            regex = read_regex(route, place, path, problems, text=True)
            if regex is None:
                continue
            condition = PathFound(regex)
        group_id = ids[group_of(path)]
        yield _rule(entry, priority(route, path), group_id, place, hosts, conditions, condition)


# The routes of a service tend to have the same hosts, and to stand together: they share the condition.
@lru_cache(maxsize=_REMEMBERED_HOSTS)
def _host_in(hosts: tuple[str, ...]) -> HostIn:
    return HostIn(tuple([parse_host(host) for host in hosts]))


def _rule(
    entry: RouterEntry[T],
    rank: int,
    group_id: int,
    place: int,
    hosts: HostIn | None,
    others: tuple[Condition, ...],
    path: PathFound | PathStarts | None,
) -> tuple[Rule[T], Placement]:
    regex = path.regex if isinstance(path, PathFound) else None
    patterns = hosts.patterns if hosts is not None else ()
    # The index keeps hosts by name; only a port is left to check.
    ported = (hosts,) if hosts is not None and any(host.port is not None for host in patterns) else ()
    rule = Rule(
        key=key_of(rank, group_id, place),
        entry=entry,
        conditions=tuple([condition for condition in (hosts, path, *others) if condition is not None]),
        checks=ported + others,
        path=path,
        search=path if regex is not None else None,
        value=entry.value,
        service_path=service_path_of(entry.service),
        strip=entry.route.strip_path,
        v1=False,
    )
    prefix = path.prefix if isinstance(path, PathStarts) else b""
    selectors = selectors_of(others)
    if regex is not None:
        parts = anatomy(regex.pattern.decode()[1:])
        prefix = parts.prefix
        selectors += path_selectors(parts)
    return rule, Placement(patterns or (ANY_HOST,), (prefix,), selectors, regex)


def key_of(rank: int, group_id: int, place: int) -> int:
    """Return the key of a rule: its priority, its id, and its place among the paths of its group."""
    return (rank << _ID_BITS | group_id) << _PLACE_BITS | (_MAX_PLACE - min(place, _MAX_PLACE))


def group_of(path: str) -> int:
    """Return what the paths of a group have in common: 0 for regexes, else their length."""
    return 0 if path.startswith("~") else len(path.encode())


def group_ids(route: Route) -> dict[int, int]:
    """Return the id that each group of paths ranks with; a lone path ranks with the route's own."""
    paths = route.paths or ()
    if len(paths) <= 1:
        return {group_of(path): number_of(route.id) for path in paths}
    groups = dict.fromkeys(group_of(path) for path in paths)
    return {
        group: number_of(uuid5(_GROUP_NAMESPACE, f"{route.id}#{number}"))
        for number, group in enumerate(groups, start=1)
    }


def priority(route: Route, path: str | None) -> int:
    """Return Kong's priority of a route's group of paths."""
    kinds = (
        route.methods,
        route.hosts,
        route.headers,
        route.paths,
        route.snis,
        route.sources,
        route.destinations,
    )
    hosts = route.hosts or ()
    bits = sum(1 for kind in kinds if kind) << 61
    bits |= (bool(hosts) and not any("*" in host for host in hosts)) << 60
    bits |= min(len(route.headers or ()), _MAX_HEADERS) << 52
    if path is None:
        return bits
    if not path.startswith("~"):
        return bits | min(len(path.encode()), _MAX_PATH_LENGTH)
    regex_priority = min(max(route.regex_priority + _REGEX_PRIORITY_HALF, 0), 2 * _REGEX_PRIORITY_HALF - 1)
    return bits | 1 << 51 | regex_priority << 19


def rank_of(key: int) -> int:
    """Return the priority in a key."""
    return key >> _ID_BITS + _PLACE_BITS


def standing_of(key: int) -> tuple[tuple[str, int], ...]:
    """Return what a key is made of, in the order in which it decides."""
    place = _MAX_PLACE - (key & _MAX_PLACE)
    rank = rank_of(key)
    return (
        ("kinds", rank >> 61),
        ("plain_hosts", rank >> 60 & 1),
        ("headers", rank >> 52 & _MAX_HEADERS),
        ("regex_path", rank >> 51 & 1),
        ("regex_priority", (rank >> 19 & 2 * _REGEX_PRIORITY_HALF - 1) - _REGEX_PRIORITY_HALF),
        ("path_length", rank & _MAX_PATH_LENGTH),
        ("id", key >> _PLACE_BITS & (1 << _ID_BITS) - 1),
        ("place", -place),
    )
