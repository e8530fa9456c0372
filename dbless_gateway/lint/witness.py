"""Requests that fit a route, as evidence: what a person can send to see what a lint means.

A route is taken apart into *cases*, one for each combination of path, host and method that it lists. For a
case there are a few witnesses: requests that fit it and as little else as possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from dbless_gateway.config.entities import Route
from dbless_gateway.config.records import dataclass, field
from dbless_gateway.lint.samples import sample
from dbless_gateway.routing.request import Connection

# A name that no configuration has (RFC 6761), for routes that take any host.
_ANY_HOST = "witness.test"
_PLAIN = frozenset({"http", "grpc"})
_PORTS = {"http": 80, "https": 443}
# A route that lists more combinations is generated, and its cases are all alike.
MAX_CASES = 64


class Case(NamedTuple):
    """One combination of a route's alternatives; ``place`` is the index of the path."""

    place: int | None
    path: str | None
    host: str | None
    method: str | None


@dataclass(frozen=True, slots=True)
class Witness:
    """A request."""

    scheme: str
    method: str
    host: str
    path: str
    sni: str | None
    headers: dict[str, str] = field(default_factory=dict)

    def connection(self) -> Connection:
        """Return the connection on which the request arrives."""
        sni = self.sni.encode() if self.sni is not None else None
        return Connection(
            self.scheme.encode(), _PORTS[self.scheme], sni, "127.0.0.1", 50000, "127.0.0.1", 8000
        )

    def get_all(self, name: bytes) -> list[bytes]:
        """Return the values of a header, as the router asks for them."""
        value = self.headers.get(name.decode())
        return [] if value is None else [value.encode()]

    def __str__(self) -> str:
        shown = "".join(f", {name}: {value}" for name, value in self.headers.items())
        return f"{self.method} {self.scheme}://{self.host}{self.path}{shown}"


def cases_of(route: Route) -> list[Case]:
    """Return the cases of a route; none when there are too many."""
    paths: list[tuple[int | None, str | None]] = [*enumerate(route.paths or ())] or [(None, None)]
    hosts, methods = route.hosts or (None,), route.methods or (None,)
    if len(paths) * len(hosts) * len(methods) > MAX_CASES:
        return []
    return [Case(place, path, host, method) for (place, path), host, method in product(paths, hosts, methods)]


def witnesses_of(route: Route, case: Case) -> Iterator[Witness]:
    """Yield requests that fit the case; none when it is too complicated to find one."""
    headers: dict[str, str] = {}
    for name, values in (route.headers or {}).items():
        value = _header_value(values)
        if value is None:
            return
        headers[name.lower().replace("_", "-")] = value
    if route.sources or route.destinations or route.expression:
        return
    scheme = "https" if route.snis or _PLAIN.isdisjoint(route.protocols) else "http"
    for path in _paths(case.path):
        yield Witness(
            scheme=scheme,
            method=case.method or "GET",
            host=_without_wildcard(case.host) if case.host is not None else _ANY_HOST,
            path=path,
            sni=_without_wildcard(route.snis[0]) if route.snis else None,
            headers=headers,
        )


def _paths(path: str | None) -> Iterator[str]:
    if path is None:
        yield from ("/", "/witness")
    elif path.startswith("~"):
        text = sample(path[1:])
        if text is not None:
            yield text
    else:
        yield path
        yield path + ("witness" if path.endswith("/") else "/witness")


def _without_wildcard(host: str) -> str:
    if host.startswith("*"):
        return f"witness{host[1:]}"
    return f"{host[:-1]}test" if host.endswith("*") else host


def _header_value(values: tuple[str, ...]) -> str | None:
    plain = next((value for value in values if not value.startswith("~*")), None)
    if plain is not None:
        return plain
    return sample(values[0].removeprefix("~*")) if values else None
