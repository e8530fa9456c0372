"""What the two classic flavours have in common: reading a route's fields into conditions.

The flavours differ in how they rank (``compatible``, ``traditional``) and in a few readings that are passed
in. Mistakes are collected as problems; a field with one is left out, and the caller drops the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_network

from dbless_gateway.config.entities import AddressMatch, Route, Service
from dbless_gateway.routing.anatomy import Anatomy
from dbless_gateway.routing.conditions import (
    AddressRule,
    Condition,
    DestinationIn,
    HeaderIs,
    MethodIn,
    SniIn,
    SourceIn,
)
from dbless_gateway.routing.hosts import parse_sni
from dbless_gateway.routing.problems import RouteProblem
from dbless_gateway.routing.regexes import Regex, RegexError, compile_regex
from dbless_gateway.routing.rules import Selector, SelectorKind

HTTP_PROTOCOLS = frozenset(("http", "https", "grpc", "grpcs"))
_REGEX_VALUE = "~*"
# There are nine methods that anybody uses, and few of their combinations.
_REMEMBERED_METHODS = 256


def is_http(route: Route) -> bool:
    """Tell whether the route belongs to the HTTP router."""
    return not HTTP_PROTOCOLS.isdisjoint(route.protocols)


def has_attributes(route: Route) -> bool:
    """Tell whether the route has anything to match by."""
    attributes = (route.methods, route.hosts, route.paths, route.headers, route.snis)
    return any(attributes) or bool(route.sources or route.destinations)


def unmatchable(route: Route) -> RouteProblem:
    """Return the problem of a route that has nothing to match by; it must not take every request."""
    return RouteProblem(route.id, "paths", None, "the route has nothing to match by", None, None)


def service_path_of(service: Service | None) -> bytes:
    """Return the path that is put in front of the request's."""
    return service.path.encode() if service is not None and service.path else b"/"


def header_name(name: str) -> bytes:
    """Return the name as ``HeaderLookup`` wants it."""
    return name.lower().replace("_", "-").encode()


def read_headers(route: Route, problems: list[RouteProblem], *, traditional: bool) -> list[HeaderIs]:
    """Read ``headers``; only the traditional flavour wants a regex alone in its list, and keeps its case."""
    found: list[HeaderIs] = []
    for name, values in (route.headers or {}).items():
        plain: set[bytes] = set()
        regexes: list[Regex] = []
        for index, value in enumerate(values):
            if not value.startswith(_REGEX_VALUE) or (traditional and len(values) > 1):
                plain.add(value.lower().encode())
                continue
            pattern = value.removeprefix(_REGEX_VALUE)
            regex = compile_regex(pattern if traditional else pattern.lower(), anchored=False, text=False)
            if isinstance(regex, Regex):
                regexes.append(regex)
            else:
                problems.append(problem_of(route, f"headers.{name}", index, regex, len(_REGEX_VALUE)))
        found.append(HeaderIs(header_name(name), frozenset(plain), tuple(regexes)))
    return found


def read_regex(
    route: Route, index: int, path: str, problems: list[RouteProblem], *, text: bool
) -> Regex | None:
    """Compile ``paths[index]``, which begins with ``~``."""
    regex = compile_regex(path[1:], anchored=True, text=text)
    if isinstance(regex, Regex):
        return regex
    problems.append(problem_of(route, "paths", index, regex, 1))
    return None


def problem_of(route: Route, field: str, index: int | None, error: RegexError, shift: int) -> RouteProblem:
    """Place a regex's error into the text that holds it, ``shift`` characters behind its start."""
    offset = None if error.offset is None else error.offset + shift
    return RouteProblem(route.id, field, index, f"invalid regex: {error.message}", offset, error.suggestion)


def read_others(route: Route) -> tuple[Condition, ...]:
    """Read methods, snis, sources and destinations."""
    found = _method_in(route.methods) if route.methods else ()
    if route.snis:
        found += (SniIn(tuple(parse_sni(sni) for sni in route.snis)),)
    if route.sources:
        found += (SourceIn(read_addresses(route.sources)),)
    if route.destinations:
        found += (DestinationIn(read_addresses(route.destinations)),)
    return found


# Nearly all routes have one of a few lists of methods and nothing else to check: they share the whole tuple.
@lru_cache(maxsize=_REMEMBERED_METHODS)
def _method_in(methods: tuple[str, ...]) -> tuple[Condition, ...]:
    return (MethodIn(frozenset(method.encode() for method in methods)),)


def read_addresses(elements: Iterable[AddressMatch]) -> tuple[AddressRule, ...]:
    """Read ``sources`` or ``destinations``; a single address is a network of one."""
    return tuple(
        AddressRule(None if element.ip is None else ip_network(element.ip, strict=False), element.port)
        for element in elements
    )


def selectors_of(conditions: Iterable[Condition]) -> tuple[Selector, ...]:
    """Return what can tell this rule from its neighbours by one look-up."""
    found: list[Selector] = []
    for condition in conditions:
        if isinstance(condition, HeaderIs) and not condition.regexes:
            found.append(Selector(SelectorKind.HEADER, condition.name, condition.values))
        elif isinstance(condition, MethodIn):
            found.append(_method_selector(condition.methods))
    return tuple(found)


@lru_cache(maxsize=_REMEMBERED_METHODS)
def _method_selector(methods: frozenset[bytes]) -> Selector:
    return Selector(SelectorKind.METHOD, b"", methods)


def path_selectors(parts: Anatomy) -> tuple[Selector, ...]:
    """Return a selector for each path segment and each word that a pattern spells out."""
    spelled = ((SelectorKind.SEGMENT, parts.segments), (SelectorKind.WORD, parts.words))
    return tuple(Selector(kind, b"", frozenset((text,))) for kind, texts in spelled for text in texts)
