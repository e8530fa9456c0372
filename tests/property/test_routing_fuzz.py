"""No bytes whatsoever make the router raise, and what it hands on is fit for a request line and a header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.config.entities import Route
from dbless_gateway.routing.paths import normalize
from dbless_gateway.routing.router import Connection, Router, RouterEntry, build
from tests.compat.routing.tables import address, make_route, make_router

FLAVORS = ("traditional_compatible", "traditional", "expressions")
CLASSIC = [
    make_route(1, paths=("/",)),
    make_route(2, paths=("/a", "/a/b", r"~/a/(?<x>.+)/c", "~/[^/]+/d")),
    make_route(3, hosts=("a.test", "*.a.test", "a.*", "a.test:81"), methods=("GET",)),
    make_route(4, headers={"x": ("v", "~*^w")}, paths=("/a",)),
    make_route(5, hosts=("b.test",), snis=("s.test",)),
]
EXPRESSIONS = [
    make_route(6, expression='http.path ~ "/x(.*)" || any(http.headers.x) contains "v"', priority=1),
    make_route(7, expression='http.path.segments.1_2 == "a/b" && http.queries.q != ""', priority=2),
    make_route(8, expression="net.src.ip in 10.0.0.0/8 && net.dst.port > 80", priority=3),
    make_route(9, expression='lower(http.host) =^ ".test" && tls.sni ^= "s"', priority=4),
]
# Handed on are only bytes that may stand in a request line.
UNSAFE = frozenset(range(33)) | frozenset(b'"<>\\^`{|}\x7f') | frozenset(range(128, 256))


class AnyHeaders:
    """Every header has the same values."""

    def __init__(self, values: list[bytes]) -> None:
        self._values = values

    def get_all(self, name: bytes) -> list[bytes]:
        return self._values


def routers() -> list[Router[str]]:
    return [make_router(table(flavor), flavor) for flavor in FLAVORS]


def table(flavor: str) -> list[Route]:
    if flavor != "expressions":
        return CLASSIC
    return [*CLASSIC, *EXPRESSIONS, make_route(10, paths=("/a",), sources=(address("::/0"),))]


def check(router: Router[str], target: bytes, host: bytes, conn: Connection, values: list[bytes]) -> None:
    raw_path, mark, query = target.partition(b"?")
    path = normalize(raw_path)
    if path is None:
        return
    facts = (b"GET", host, path, conn, AnyHeaders(values), query if mark else None)
    first, second = router.match(*facts), router.match(*facts)

    assert (first and first.value) == (second and second.value)
    if first is not None:
        assert not UNSAFE & set(first.upstream_path)
        assert first.upstream_path.startswith(b"/")
        assert not set(first.prefix or b"") & set(b"\x00\r\n")
        assert first.captures is None or first.captures.unnamed


TARGETS = st.one_of(
    st.binary(max_size=80),
    st.binary(max_size=60).map(lambda tail: b"/" + tail),
    st.lists(
        st.sampled_from(
            [b"/", b"a", b"b", b"..", b".", b"%2e", b"%2F", b"%", b"%ff", b"\xc3\xa4", b"?", b"x", b"%0d%0a"]
        )
    ).map(b"".join),
)
HOSTS = st.one_of(
    st.binary(max_size=30),
    st.lists(st.sampled_from([b"a", b"test", b".", b":", b"81", b"[", b"]", b"A", b"9" * 30, b"-"])).map(
        b"".join
    ),
)
CONNECTIONS = st.builds(
    Connection,
    scheme=st.sampled_from([b"http", b"https", b""]),
    port=st.integers(0, 65535),
    sni=st.one_of(st.none(), st.binary(max_size=20)),
    src_ip=st.sampled_from(["10.0.0.1", "::1", "fe80::1%eth0", "unix:", ""]),
    src_port=st.integers(0, 65535),
    dst_ip=st.sampled_from(["10.0.0.1", "::1", ""]),
    dst_port=st.integers(0, 65535),
)


@pytest.mark.parametrize("router", routers(), ids=FLAVORS)
def test_any_bytes(router: Router[str]) -> None:
    @given(TARGETS, HOSTS, CONNECTIONS, st.lists(st.binary(max_size=10), max_size=3))
    def law(target: bytes, host: bytes, conn: Connection, values: list[bytes]) -> None:
        check(router, target, host, conn, values)

    law()


NASTY = [
    b"/" + b"a" * 100_000,
    b"/a/" + b"x/" * 50_000 + b"c",
    b"/x" + b"../" * 5_000,
    b"/" + b"x/" * 5_000 + b"../" * 5_000,
    b"/" + b"%2e%2e/" * 3_000,
    b"/" + b"%61" * 30_000,
    b"/" * 100_000,
    b"/" + b"%" * 1_000,
    b"/a?" + b"&q=%zz" * 20_000,
    b"/a?" + b"q" * 100_000,
    b"http://a.test/a/b",
    b"*",
    b"",
    b"/a\x00b",
    b"/a b\r\nX: y",
    b"/%ED%A0%80",
    b"/a#b",
]


@pytest.mark.parametrize("router", routers(), ids=FLAVORS)
@pytest.mark.parametrize("target", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize(
    "host", [b"", b"A.TEST.", b"a.test, b.test", b"." * 10_000, b"a:" * 5_000, b"a:" + b"9" * 9_000]
)
def test_nasty_targets_and_hosts(router: Router[str], target: bytes, host: bytes) -> None:
    conn = Connection(b"https", 443, b"S.test", "10.0.0.1", 1, "10.0.0.2", 443)

    check(router, target, host, conn, [b"v" * 10_000])


WORDS = [
    *(
        "http.path",
        "http.headers.x",
        "http.path.segments.0_1",
        "net.src.ip",
        "net.dst.port",
        "tls.sni",
        "nope",
    ),
    *(
        "==",
        "!=",
        "~",
        "^=",
        "=^",
        "in",
        "not in",
        "contains",
        ">",
        "&&",
        "||",
        "!",
        "(",
        ")",
        "lower(",
        "any(",
    ),
    *('"/a"', 'r#"("#', '"^/(a|b)"', "10.0.0.0/8", "::1", "-0x1", "80", '"', "\\", "\n", "\ud800"),
]


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_any_expression_is_a_route_or_a_problem(text: str) -> None:
    router = build([RouterEntry(make_route(1, expression=text, priority=1), None, "R1")], "expressions")

    for problem in router.problems:
        assert problem.field == "expression"
        assert problem.offset is not None
        assert 0 <= problem.offset <= len(text)
    if not router.problems:
        check(router, b"/a/b?x", b"a.test", Connection(b"http", 80, None, "::1", 1, "::1", 80), [b"v"])


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_pattern_is_a_route_or_a_problem(path: str, value: str) -> None:
    route = make_route(1, paths=("~/" + path,), headers={"x": ("~*" + value,)})
    for flavor in FLAVORS:
        router = build([RouterEntry(route, None, "R1")], flavor)

        assert {problem.field for problem in router.problems} <= {"paths", "headers.x"}
        if not router.problems:
            check(router, b"/a/b", b"a.test", Connection(b"http", 80, None, "::1", 1, "::1", 80), [b"v"])
