"""The indexed router against a slow one, written straight from Kong's rules: every route is tried, in order.

The oracles share no code with the package but for the path table, which has its own vectors. Tables are
drawn from few words, so that routes overlap, tie and shadow each other all the time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pytest

from dbless_gateway.config.entities import Route
from dbless_gateway.routing.explain import explain
from dbless_gateway.routing.router import RouterEntry, build
from tests.compat.routing.tables import Headers, make_connection, make_route, make_router, winner

NAMESPACE = UUID("7f145bf9-0dce-4f91-98eb-debbce4b9f6b")
HOSTS = [
    "a.com",
    "b.a.com",
    "c.b.a.com",
    "a.com:81",
    "*.a.com",
    "*.b.a.com",
    "a.*",
    "b.*",
    "*.a.com:81",
    "*.com",
]
PATHS = [
    "/",
    "/a",
    "/ab",
    "/a/b",
    "/a/b/c",
    "/b",
    "/a/",
    "/c",
    r"~/a/\d+",
    "~/a/(b|c)",
    "~/a",
    "~/[ab]/b",
    "~/a?b",
    r"~/[ab]/\d+-x$",
    "~/a/.*b-c/",
]
HEADERS = ["one", "two", "~*^o", "THREE"]
# 6,000 cases for each flavour take about three seconds.
TABLES = 500
REQUESTS = 12
EXPLAINED_TABLES = 60
METHODS = ["GET", "POST"]
SNIS = ["s.com", "t.com"]


@dataclass
class Asked:
    """A request, with what the router is not shown either."""

    method: str
    host: str
    path: str
    headers: dict[str, list[str]] = field(default_factory=dict)
    scheme: str = "http"
    port: int = 80
    sni: str | None = None

    def name_and_port(self) -> tuple[str, int | None]:
        name, colon, port = self.host.partition(":")
        return (name, int(port)) if colon else (self.host, None)


def some(chance: Random, values: list[str], most: int) -> tuple[str, ...] | None:
    """Return an attribute: absent, or a few of the values."""
    return tuple(chance.sample(values, chance.randint(1, most))) if chance.random() < 0.5 else None


def draw_headers(chance: Random) -> dict[str, tuple[str, ...]] | None:
    if chance.random() < 0.5:
        return None
    names = chance.sample(["X-A", "x_b"], chance.randint(1, 2))
    return {name: tuple(chance.sample(HEADERS, chance.randint(1, 2))) for name in names}


def draw_fields(chance: Random) -> dict[str, Any]:
    """Draw the fields of a route that sets at least one attribute."""
    fields: dict[str, Any] = {
        "hosts": some(chance, HOSTS, 3),
        "paths": some(chance, PATHS, 4),
        "methods": some(chance, METHODS, 2),
        "snis": some(chance, SNIS, 2) if chance.random() < 0.3 else None,
        "headers": draw_headers(chance),
    }
    if not any(fields.values()):
        fields["paths"] = ("/",)
    return {**fields, "regex_priority": chance.randint(-2, 2), "created_at": chance.randint(0, 2)}


def draw_table(chance: Random) -> list[Route]:
    """Draw a table; some are repeated, with other ids, so that leaves become crowds."""
    fields = [draw_fields(chance) for _ in range(chance.randint(1, 8))] * chance.choice((1, 1, 1, 4))
    numbers = chance.sample(range(1, 1000), len(fields))
    return [make_route(number, **one) for number, one in zip(numbers, fields, strict=True)]


def draw_request(chance: Random) -> Asked:
    """Draw a request from the words of the tables."""
    headers = {
        name: chance.sample(["one", "ONE", "two", "three", "other"], chance.randint(1, 2))
        for name in ("x-a", "x-b")
        if chance.random() < 0.7
    }
    hosts = ["a.com", "b.a.com", "c.b.a.com", "a.com:81", "b.a.com:81", "b.org", "a.org:82", "d.com", ""]
    paths = [
        "/",
        "/a",
        "/ab",
        "/abc",
        "/a/b",
        "/a/b/c/d",
        "/b/b",
        "/a/12",
        "/c",
        "/d",
        "/a/c",
        "/a/1-x",
        "/b/2-x",
        "/a/1-xx",
        "/a/b-c/",
    ]
    return Asked(
        method=chance.choice([*METHODS, "PUT"]),
        host=chance.choice(hosts),
        path=chance.choice(paths),
        headers=headers,
        scheme=chance.choice(["http", "https"]),
        port=chance.choice([80, 81]),
        sni=chance.choice([None, *SNIS, "u.com"]),
    )


def header_fits(name: str, values: tuple[str, ...], asked: Asked, *, traditional: bool) -> bool:
    sent = [value.lower() for value in asked.headers.get(name.lower().replace("_", "-"), [])]
    for value in values:
        if value.startswith("~*") and not (traditional and len(values) > 1):
            pattern = value[2:] if traditional else value[2:].lower()
            if any(re.search(pattern, one) for one in sent):
                return True
        elif value.lower() in sent:
            return True
    return False


def sni_fits(route: Route, asked: Asked) -> bool:
    return not route.snis or asked.scheme != "https" or asked.sni in route.snis


def compatible_host_fits(pattern: str, asked: Asked) -> bool:
    name, port = asked.name_and_port()
    wanted, colon, wanted_port = pattern.partition(":")
    if colon and int(wanted_port) != (asked.port if port is None else port):
        return False
    if wanted.startswith("*"):
        return name.endswith(wanted[1:])
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted


def compatible_path_fits(path: str, asked: Asked) -> bool:
    return bool(re.search("^" + path[1:], asked.path)) if path[0] == "~" else asked.path.startswith(path)


def compatible_winner(routes: list[Route], asked: Asked) -> str | None:
    """Try every group of every route, greatest priority first."""
    ranked = []
    for route in routes:
        groups: dict[int, list[str]] = {}
        for path in route.paths or ():
            groups.setdefault(0 if path[0] == "~" else len(path), []).append(path)
        for number, (length, paths) in enumerate(groups.items() or [(0, [])], start=1):
            kinds = sum(
                bool(kind) for kind in (route.methods, route.hosts, route.headers, route.paths, route.snis)
            )
            plain = bool(route.hosts) and not any("*" in host for host in route.hosts or ())
            regex = bool(paths) and paths[0][0] == "~"
            split = len(route.paths or ()) > 1
            group_id = uuid5(NAMESPACE, f"{route.id}#{number}") if split else UUID(route.id)
            rank = (
                kinds,
                plain,
                len(route.headers or {}),
                regex,
                route.regex_priority if regex else 0,
                length,
                group_id.int,
            )
            ranked.append((rank, route, paths))
    for _, route, paths in sorted(ranked, key=lambda one: one[0], reverse=True):
        if (
            (not route.methods or asked.method in route.methods)
            and (not route.hosts or any(compatible_host_fits(host, asked) for host in route.hosts))
            and (not paths or any(compatible_path_fits(path, asked) for path in paths))
            and all(
                header_fits(name, values, asked, traditional=False)
                for name, values in (route.headers or {}).items()
            )
            and sni_fits(route, asked)
        ):
            return route.name
    return None


BITS = {"hosts": 0x40, "headers": 0x20, "paths": 0x10, "methods": 0x08, "snis": 0x04}


def with_default_port(asked: Asked) -> str:
    name, port = asked.name_and_port()
    return f"{name}:{port or {'http': 80, 'https': 443}[asked.scheme]}"


def wildcard_fits(pattern: str, asked: Asked) -> bool:
    wanted = re.escape(pattern).replace(r"\*", ".+")
    tail = "" if ":" in pattern else r"(:\d+)?"
    return bool(re.fullmatch(wanted + tail, with_default_port(asked)))


def traditional_host_fits(pattern: str, asked: Asked) -> bool:
    if "*" in pattern:
        return wildcard_fits(pattern, asked)
    return pattern in (asked.host, asked.name_and_port()[0])


def traditional_path_fits(path: str, asked: Asked) -> bool:
    return bool(re.match(path[1:], asked.path)) if path[0] == "~" else asked.path.startswith(path)


@dataclass
class Split:
    """An internal route of the traditional flavour: at most one path."""

    route: Route
    path: str | None
    order: int

    def bits(self) -> int:
        return sum(bit for kind, bit in BITS.items() if getattr(self.route, kind))

    def rank(self) -> tuple[int, ...]:
        hosts = self.route.hosts or ()
        regex = bool(self.path) and self.path[0] == "~" if self.path else False
        weight = 4 * any("*" in host and ":" in host for host in hosts)
        weight += 2 * (bool(hosts) and not any("*" in host for host in hosts)) + regex
        length = 0 if regex or not self.path else len(self.path)
        return (
            -weight,
            -len(self.route.headers or {}),
            -self.route.regex_priority if regex else 0,
            -length,
            self.route.created_at,
            self.order,
        )

    def fits(self, asked: Asked) -> bool:
        route = self.route
        return (
            (not route.methods or asked.method in route.methods)
            and (not route.hosts or any(traditional_host_fits(host, asked) for host in route.hosts))
            and (self.path is None or traditional_path_fits(self.path, asked))
            and all(
                header_fits(name, values, asked, traditional=True)
                for name, values in (route.headers or {}).items()
            )
            and sni_fits(route, asked)
        )

    def names(self, kind: str) -> list[str]:
        if kind == "paths":
            return [self.path] if self.path else []
        if kind == "headers":
            return [name.lower().replace("_", "-") for name in self.route.headers or ()]
        return list(getattr(self.route, kind) or ())


def traditional_winner(routes: list[Route], asked: Asked) -> str | None:
    """Walk down the categories from the one that fits exactly."""
    splits: list[Split] = []
    for route in routes:
        for path in route.paths or (None,):
            splits.append(Split(route, path, len(splits)))
    splits.sort(key=Split.rank)
    hits = find_hits(splits, asked)
    categories = sorted({one.bits() for one in splits}, key=lambda bits: (-bits.bit_count(), -bits))
    exact = sum(BITS[kind] for kind in hits)
    start = categories.index(exact) if exact in categories else 0
    for bits in categories[start:]:
        members = [one for one in splits if one.bits() == bits]
        for one in [*reduced(members, bits, hits), *members]:
            if one.fits(asked):
                return one.route.name
    return None


def find_hits(splits: list[Split], asked: Asked) -> dict[str, str]:
    """Find for each kind the name that the request is listed under."""
    hosts = [host for one in splits for host in one.names("hosts")]
    plain = [host for host in (with_default_port(asked), asked.name_and_port()[0]) if host in hosts]
    wild = [host for host in hosts if "*" in host and wildcard_fits(host, asked)]
    paths = [path for one in splits for path in one.names("paths")]
    regexes = [path for path in paths if path[0] == "~" and traditional_path_fits(path, asked)]
    prefixes = [path for path in paths if path[0] == "/" and asked.path.startswith(path)]
    sent = [name for one in splits for name in one.names("headers") if asked.headers.get(name)]
    found: dict[str, list[Any]] = {
        "hosts": (plain + wild)[:1],
        "headers": sent[:1],
        "paths": (regexes + sorted(prefixes, key=len, reverse=True))[:1],
        "methods": [asked.method] if any(asked.method in one.names("methods") for one in splits) else [],
        "snis": [asked.sni] if any(asked.sni in one.names("snis") for one in splits) else [],
    }
    return {kind: str(names[0]) for kind, names in found.items() if names}


def reduced(members: list[Split], bits: int, hits: dict[str, str]) -> list[Split]:
    if bits & BITS["headers"] and "headers" in hits:
        return [one for one in members if hits["headers"] in one.names("headers")]
    lists = [
        [one for one in members if hits[kind] in one.names(kind)]
        for kind in ("hosts", "paths", "methods", "snis")
        if kind in hits and bits & BITS[kind]
    ]
    return min((found for found in lists if found), key=len, default=[])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flavor", "oracle"),
    [("traditional_compatible", compatible_winner), ("traditional", traditional_winner)],
)
def test_the_index_agrees_with_trying_every_route(flavor: str, oracle: Any) -> None:
    for seed in range(TABLES):
        chance = Random(seed)
        routes = draw_table(chance)
        router = make_router(routes, flavor)
        for _ in range(REQUESTS):
            asked = draw_request(chance)
            found = winner(
                router,
                asked.path,
                method=asked.method,
                host=asked.host,
                headers=[(name, value) for name, values in asked.headers.items() for value in values],
                connection=make_connection(asked.scheme, asked.port, asked.sni),
            )

            assert found == oracle(routes, asked), (seed, asked)


@pytest.mark.slow
@pytest.mark.parametrize("flavor", ["traditional_compatible", "traditional", "expressions"])
def test_explain_agrees_with_match(flavor: str) -> None:
    for seed in range(EXPLAINED_TABLES):
        chance = Random(seed)
        routes = draw_table(chance)
        entries = [RouterEntry(route, None, route.name or "") for route in routes]
        router = build(entries, flavor)
        for _ in range(REQUESTS):
            asked = draw_request(chance)
            sent = [(name, value) for name, values in asked.headers.items() for value in values]
            facts = (
                asked.method.encode(),
                asked.host.encode(),
                asked.path.encode(),
                make_connection(asked.scheme, asked.port, asked.sni),
                Headers(sent),
                None,
            )
            match = router.match(*facts)
            why = explain(entries, flavor, *facts)

            assert (why.winner and why.winner.entry.value) == (match and match.value), (seed, asked)
            told = [why.winner] if why.winner else []
            assert len([*told, *why.runners_up, *why.misses]) == len(routes)
