"""The lint of unreachable routes never lies: what it reports gets no request, however many are tried."""

from __future__ import annotations

from itertools import product
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from dbless_gateway.lint.reach import AMBIGUOUS, UNREACHABLE
from dbless_gateway.lint.witness import Witness
from dbless_gateway.snapshot.compile import CompileOptions, compile_snapshot
from dbless_gateway.snapshot.dry_run import DryRunHost
from dbless_gateway.snapshot.model import Snapshot
from tests.support.findings import HEAD, judged

PATHS = [
    "/",
    "/a",
    "/a/",
    "/ab",
    "/a/b",
    "~/",
    "~/a",
    "~/.*",
    "~/a/.*",
    "~/a$",
    r"~/a/\w+",
    "~/(a|b)",
    "~/[a-c]+$",
]
HOSTS = ["x.org", "*.x.org", "y.x.org", "*.y.x.org", "x.*", "x.org:81"]
METHODS = ["GET", "POST", "PUT"]
HEADERS = [{"v": ["one"]}, {"v": ["one", "two"]}, {"v": ["~*o"]}, {"w": ["one"]}]

# Every request that differs in something that one of the routes can look at.
REQUESTS = [
    Witness(scheme, method, host, path, None, headers)
    for scheme, method, host, path, headers in product(
        ("http", "https"),
        (*METHODS, "PATCH"),
        ("x.org", "y.x.org", "z.y.x.org", "x.com", "x.org:81", "other"),
        ("/", "/a", "/a/", "/ab", "/a/b", "/a/b/c", "/b", "/c", "/a/\n", "/d"),
        ({}, {"v": "one"}, {"v": "two"}, {"w": "one", "v": "two"}),
    )
]

routes = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "paths": st.lists(st.sampled_from(PATHS), min_size=1, max_size=2),
            "hosts": st.lists(st.sampled_from(HOSTS), min_size=1, max_size=2),
            "methods": st.lists(st.sampled_from(METHODS), min_size=1, max_size=2),
            "headers": st.sampled_from(HEADERS),
            "protocols": st.sampled_from([["http"], ["https"], ["http", "https"]]),
            "regex_priority": st.sampled_from([-1, 0, 5]),
        },
    ).filter(lambda route: route.keys() & {"paths", "hosts", "methods", "headers"}),
    min_size=2,
    max_size=4,
)
flavors = st.sampled_from(["traditional_compatible", "traditional", "expressions"])


def winners(snapshot: Snapshot) -> set[str]:
    """Return the names of all routes that get one of the requests."""
    found: set[str] = set()
    for request in REQUESTS:
        match = snapshot.router.match(
            request.method.encode(),
            request.host.encode(),
            request.path.encode(),
            request.connection(),
            request,
            None,
        )
        if match is not None:
            found.add(str(match.value.entity.name))
    return found


@settings(deadline=None, max_examples=60)
@given(routes, flavors)
def test_unreachable_routes_get_nothing(given_routes: list[dict[str, Any]], flavor: str) -> None:
    named = [{"name": f"r{number}", **route} for number, route in enumerate(given_routes)]
    text = HEAD + yaml.safe_dump({"routes": named})
    verdict = judged(text, flavor=flavor, lints=frozenset({UNREACHABLE, AMBIGUOUS}))
    entities = load([Source("kong.yaml", text)], LoadOptions(environ={}, router_flavor=flavor)).entities
    assert entities is not None, verdict.problems
    snapshot = compile_snapshot(entities, DryRunHost(), CompileOptions(router_flavor=flavor))
    assert isinstance(snapshot, Snapshot), verdict.problems
    reported = {
        named[int(problem.path.partition("[")[2].partition("]")[0])]["name"]
        for problem in verdict.problems
        if problem.code == UNREACHABLE and "paths" not in problem.path
    }

    assert not reported & winners(snapshot)
