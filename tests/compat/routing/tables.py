"""A short way to write route tables and requests, shared by the routing tests."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from dbless_gateway.config.entities import AddressMatch, Route, Service
from dbless_gateway.routing.paths import normalize
from dbless_gateway.routing.router import Connection, Match, Router, RouterEntry, build
from tests.support import entities


def make_route(number: int, **fields: Any) -> Route:
    """Return a route with Kong's defaults; its id is its number."""
    own = {"name": f"R{number}", "paths": None, "created_at": 0, "updated_at": 0}
    return entities.make_route(str(UUID(int=number)), **(own | fields))


def make_service(**fields: Any) -> Service:
    """Return a service with Kong's defaults."""
    return entities.make_service(str(UUID(int=1 << 100)), **fields)


def address(ip: str | None = None, port: int | None = None) -> AddressMatch:
    """Return an element of ``sources`` or ``destinations``."""
    return AddressMatch(ip, port)


class Headers:
    """The proxy's view of headers, made from pairs."""

    def __init__(self, pairs: list[tuple[str, str]] | None = None) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in pairs or []:
            key = name.lower().replace("_", "-").encode()
            self._values.setdefault(key, []).append(value.encode("latin-1"))

    def get_all(self, name: bytes) -> list[bytes]:
        return self._values.get(name, [])


def make_connection(
    scheme: str = "http",
    port: int = 80,
    sni: str | None = None,
    src: tuple[str, int] = ("127.0.0.1", 50000),
    dst: tuple[str, int] = ("127.0.0.1", 80),
) -> Connection:
    """Return the facts of a connection."""
    return Connection(scheme.encode(), port, sni.encode() if sni else None, *src, *dst)


def make_router(routes: list[Route], flavor: str, service: Service | None = None) -> Router[str]:
    """Return a router whose values are the routes' names; the table must be good."""
    router = build([RouterEntry(route, service, route.name or "") for route in routes], flavor)

    assert router.problems == ()
    return router


def ask(
    router: Router[str],
    path: str = "/",
    *,
    method: str = "GET",
    host: str = "",
    headers: list[tuple[str, str]] | None = None,
    query: str | None = None,
    connection: Connection | None = None,
) -> Match[str] | None:
    """Send a request; the path is normalised first, as the proxy does."""
    normal = normalize(path.encode())
    assert normal is not None
    return router.match(
        method.encode(),
        host.encode(),
        normal,
        connection or make_connection(),
        Headers(headers),
        None if query is None else query.encode(),
    )


def winner(router: Router[str], path: str = "/", **facts: Any) -> str | None:
    """Return the name of the route that takes the request."""
    match = ask(router, path, **facts)
    return None if match is None else match.value
