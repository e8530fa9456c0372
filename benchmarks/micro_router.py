"""The router alone: compile, match, dispose, for tables of 10 to 50,000 routes in several shapes.

    python -m benchmarks.micro_router                 every shape and size, recorded in results/
    python -m benchmarks.micro_router --readme        also in the README of this folder
    python -m benchmarks.micro_router regexes 10000   one, not recorded

Reported are, for each table: compiling in seconds and its longest slice in milliseconds, both of CPU time;
matching a request in microseconds, the median of ``ROUNDS`` rounds, from the cache and without it (by asking
for paths that were never asked for before); disposing and its longest slice. At 10,000 routes of each shape
we want at most 3 us from the cache, 12 us without it, and 1.5 s to compile.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any, NamedTuple
from uuid import UUID

from benchmarks import record
from dbless_gateway.config.entities import Route, Where
from dbless_gateway.routing.router import Connection, Router, RouterEntry, build_steps

SIZES = (10, 100, 1_000, 10_000, 50_000)
README = Path(__file__).parent / "README.md"
ROUNDS = 15
REQUESTS = 1_000
CONNECTION = Connection(b"http", 80, None, "127.0.0.1", 50_000, "127.0.0.1", 80)


class Asked(NamedTuple):
    """One request."""

    host: bytes
    path: bytes
    headers: Any


class Headers:
    """A header look-up as cheap as the proxy's."""

    def __init__(self, values: dict[bytes, list[bytes]]) -> None:
        self._values = values

    def get_all(self, name: bytes) -> list[bytes]:
        return self._values.get(name, [])


NO_HEADERS = Headers({})


class Shape(NamedTuple):
    """A kind of table: its flavour, its routes' fields, and a request for route ``n`` with a fresh tail."""

    flavor: str
    fields: Callable[[int], dict[str, Any]]
    ask: Callable[[int, int], Asked]


def _host(number: int) -> str:
    return f"host{number // 10}.example.com"


def _plain(number: int, serial: int) -> Asked:
    return Asked(_host(number).encode(), b"/api/v%d/users/%d" % (number % 10, serial), NO_HEADERS)


def _nested(number: int) -> str:
    """Return a path below another route's, up to six deep."""
    return "/" + "/".join(f"s{number // 10**power % 10}" for power in range(len(str(number)), -1, -1))


def _mixed(number: int) -> dict[str, Any]:
    kinds: tuple[dict[str, Any], ...] = (
        {"hosts": (_host(number),), "paths": (f"/api/v{number % 10}",)},
        {"paths": (f"/open/{number}", f"/o/{number}")},
        {"hosts": (f"*.wild{number}.test",), "methods": ("GET",)},
        {"paths": (rf"~/items/(?<kind>[a-z]+)/{number}/\d+",), "methods": ("GET", "POST")},
        {"headers": {"x-tenant": (f"t{number}",)}, "paths": ("/tenant",)},
    )
    return kinds[number % len(kinds)]


def _ask_mixed(number: int, serial: int) -> Asked:
    kinds = (
        Asked(_host(number).encode(), b"/api/v%d/%d" % (number % 10, serial), NO_HEADERS),
        Asked(b"x.test", b"/open/%d/%d" % (number, serial), NO_HEADERS),
        Asked(b"a.wild%d.test" % number, b"/%d" % serial, NO_HEADERS),
        Asked(b"x.test", b"/items/abc/%d/%d" % (number, serial), NO_HEADERS),
        Asked(b"x.test", b"/tenant/%d" % serial, Headers({b"x-tenant": [b"t%d" % number]})),
    )
    return kinds[number % len(kinds)]


def _expression(number: int) -> dict[str, Any]:
    return {
        "expression": f'http.host == "{_host(number)}" && http.path ^= "/api/v{number % 10}" '
        '&& (http.method == "GET" || http.method == "POST")',
        "priority": number,
    }


COMPATIBLE = "traditional_compatible"
SHAPES = {
    "prefixes": Shape(COMPATIBLE, lambda n: {"hosts": (_host(n),), "paths": (f"/api/v{n % 10}",)}, _plain),
    "one-host": Shape(
        COMPATIBLE,
        lambda n: {"paths": (f"/service-{n}/api",)},
        lambda n, serial: Asked(b"x.test", b"/service-%d/api/%d" % (n, serial), NO_HEADERS),
    ),
    "nested": Shape(
        COMPATIBLE,
        lambda n: {"paths": (_nested(n),)},
        lambda n, serial: Asked(b"x.test", b"%b/%d" % (_nested(n).encode(), serial), NO_HEADERS),
    ),
    "regexes": Shape(
        COMPATIBLE,
        lambda n: {"paths": (rf"~/service-{n}/(?<id>\d+)/items",)},
        lambda n, serial: Asked(b"x.test", b"/service-%d/%d/items" % (n, serial), NO_HEADERS),
    ),
    "regexes-inside": Shape(
        COMPATIBLE,
        lambda n: {"paths": (rf"~/api/[a-z]+/item{n}/\d+",)},
        lambda n, serial: Asked(b"x.test", b"/api/abc/item%d/%d" % (n, serial), NO_HEADERS),
    ),
    "regexes-alike": Shape(
        COMPATIBLE,
        lambda n: {"paths": (rf"~/api/\d+-[a-z]+-{n}$",)},
        lambda n, serial: Asked(b"x.test", b"/api/%d-abc-%d" % (serial, n), NO_HEADERS),
    ),
    "headers": Shape(
        COMPATIBLE,
        lambda n: {"headers": {"x-tenant": (f"t{n}",)}, "paths": ("/api",)},
        lambda n, serial: Asked(b"x.test", b"/api/%d" % serial, Headers({b"x-tenant": [b"t%d" % n]})),
    ),
    "mixed": Shape(COMPATIBLE, _mixed, _ask_mixed),
    "traditional": Shape("traditional", _mixed, _ask_mixed),
    "expressions": Shape("expressions", _expression, _plain),
}


def make_route(number: int, fields: dict[str, Any]) -> Route:
    """Return a route with Kong's defaults."""
    values: dict[str, Any] = {
        "id": str(UUID(int=number + 1)),
        "name": f"route-{number}",
        "service": None,
        "protocols": ("http", "https"),
        **dict.fromkeys(("methods", "hosts", "paths", "headers", "snis", "sources", "destinations")),
        **dict.fromkeys(("expression", "priority", "tags")),
        "regex_priority": 0,
        "strip_path": True,
        "path_handling": "v0",
        "preserve_host": False,
        "https_redirect_status_code": 426,
        "request_buffering": True,
        "response_buffering": True,
        "created_at": 0,
        "updated_at": 0,
        "where": Where("kong.yaml", 1, 1),
    }
    return Route(**{**values, **fields})


def main(arguments: list[str]) -> None:
    """Measure what was asked for, or everything."""
    names = [name for name in arguments if name in SHAPES] or list(SHAPES)
    sizes = [int(size) for size in arguments if size.isdigit()] or list(SIZES)
    print("shape           routes  compile s  slice ms  cached us  uncached us  dispose ms  its slice ms")
    results: dict[str, dict[int, Figures]] = {}
    for name in names:
        for size in sizes:
            figures = results.setdefault(name, {})[size] = _measure(SHAPES[name], size)
            print(f"{name:15s} {size:6d}  {_row(figures)}", flush=True)
    if len(names) == len(SHAPES) and len(sizes) == len(SIZES):
        _record(results, into_readme="--readme" in arguments)


class Figures(NamedTuple):
    """What was measured of one table."""

    compile_s: float
    compile_slice_ms: float
    cached_us: float
    uncached_us: float
    dispose_ms: float
    dispose_slice_ms: float


def _row(figures: Figures) -> str:
    return (
        f"{figures.compile_s:9.3f}  {figures.compile_slice_ms:8.2f}  {figures.cached_us:9.2f}"
        f"  {figures.uncached_us:11.2f}  {figures.dispose_ms:10.2f}  {figures.dispose_slice_ms:12.2f}"
    )


def _record(results: dict[str, dict[int, Figures]], *, into_readme: bool) -> None:
    rounded = {
        name: {str(size): _rounded(figures) for size, figures in sizes.items()}
        for name, sizes in results.items()
    }
    file = record.save(rounded, prefix="router-", packages=("google-re2",), programs=())
    print(f"recorded in {file}")
    if not into_readme:
        return
    lines = [
        f"| uncached us | {' | '.join(f'{size:,}' for size in SIZES)} |",
        "| --- " * (len(SIZES) + 1) + "|",
    ]
    for name, sizes in results.items():
        lines.append(f"| {name} | {' | '.join(f'{figures.uncached_us:.1f}' for figures in sizes.values())} |")
    lines.append(f"\nThe whole run: [{file.name}](results/{file.name}).")
    record.write_between(README, "router", "\n".join(lines) + "\n")


def _rounded(figures: Figures) -> dict[str, float]:
    return {field: round(value, 3) for field, value in figures._asdict().items()}


def _measure(shape: Shape, size: int) -> Figures:
    entries = [RouterEntry(make_route(number, shape.fields(number)), None, number) for number in range(size)]
    gc.collect()
    gc.disable()  # As in a worker that builds: a collection over so many objects takes longer than a slice.
    router, compile_s, slice_s = _run(build_steps(entries, shape.flavor))
    assert router.problems == ()
    cached_us = _cached_us(router, shape, size)
    uncached_us = _uncached_us(router, shape, size)
    _, dispose_s, dispose_slice_s = _run(router.dispose_steps())
    gc.enable()
    return Figures(
        compile_s=compile_s,
        compile_slice_ms=slice_s * 1e3,
        cached_us=cached_us,
        uncached_us=uncached_us,
        dispose_ms=dispose_s * 1e3,
        dispose_slice_ms=dispose_slice_s * 1e3,
    )


def _run(steps: Generator[None, None, Any]) -> tuple[Any, float, float]:
    """Return a generator's result, its CPU time, and that of its longest step."""
    longest = 0.0
    begun = thread_time()
    while True:
        before = thread_time()
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value, thread_time() - begun, max(longest, thread_time() - before)
        longest = max(longest, thread_time() - before)


def _numbers(size: int) -> Iterator[int]:
    """Yield route numbers spread over the table."""
    number = 0
    while True:
        number = (number + 7919) % size
        yield number


def _cached_us(router: Router[int], shape: Shape, size: int) -> float:
    numbers = _numbers(size)
    requests = [shape.ask(next(numbers), 1) for _ in range(REQUESTS)]
    _round_us(router, requests)
    return median(_round_us(router, requests) for _ in range(ROUNDS))


def _uncached_us(router: Router[int], shape: Shape, size: int) -> float:
    numbers = _numbers(size)
    # Every route is met once before, and with as many digits: RE2 builds its automata as they are first used.
    _round_us(router, [shape.ask(number, REQUESTS * (ROUNDS + 1)) for number in range(size)])
    rounds = [
        [shape.ask(next(numbers), REQUESTS * (turn + 1) + serial) for serial in range(REQUESTS)]
        for turn in range(ROUNDS)
    ]
    return median(_round_us(router, requests) for requests in rounds)


def _round_us(router: Router[int], requests: list[Asked]) -> float:
    """Return the median of one round, request by request, without the clock's own cost."""
    match, clock = router.match, perf_counter
    times: list[float] = []
    for host, path, headers in requests:
        before = clock()
        found = match(b"GET", host, path, CONNECTION, headers, None)
        times.append(clock() - before)
        assert found is not None
    return (median(times) - _clock_cost()) * 1e6


def _clock_cost() -> float:
    clock = perf_counter
    return median(-(clock() - clock()) for _ in range(200))


if __name__ == "__main__":
    main(sys.argv[1:])
