"""Normalising, joining and escaping paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.routing.paths import escape, join, normalize

NORMALIZED = [
    (b"", b""),
    (b"/", b"/"),
    (b"/a/%2e%2e/b", b"/b"),
    (b"/a//b", b"/a/b"),
    (b"/%7Efoo", b"/~foo"),
    (b"/a%2Fb", b"/a%2Fb"),
    (b"/a%2fb", b"/a%2Fb"),
    (b"/foo%20bar", b"/foo bar"),
    (b"/%6B%6f%6e%67", b"/kong"),
    (b"/%2E", b"/"),
    (b"/a/b/c/./../../g", b"/a/g"),
    (b"/a//b//", b"/a/b/"),
    (b"/a%2fb%2fc/", b"/a%2Fb%2Fc/"),
    (b"/endel%C3%B8st", "/endeløst".encode()),
    (b"/%20%21%23", b"/ %21%23"),
    (
        b"/%C3%A4/a/%2e./a%2E//a/%2e/./a/../a/%2e%2E/%5f%99%af%2f%2F",
        "/ä/a./a/_".encode() + b"\x99\xaf%2F%2F",
    ),
    (b"/a/.", b"/a/"),
    (b"/a/..", b"/"),
    (b"/a/b/..", b"/a/"),
    (b"/.hidden", b"/.hidden"),
    (b"/a/...", b"/a/..."),
    (b"/a;b=%3b", b"/a;b=%3B"),
    (b"/%3Cscript%3E", b"/<script>"),
]


@pytest.mark.parametrize(("raw", "expected"), NORMALIZED)
def test_normalize(raw: bytes, expected: bytes) -> None:
    assert normalize(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"/..",
        b"/a/../../b",
        b"/%2e%2e/b",
        b"/./.././../",
        b"/a//../../b",
        b"/a%2F..%2F..%2Fb",
        b"/%",
        b"/%2",
        b"/%zz",
        b"/a%00b",
        b"*",
        b"foo/bar",
        b"a/./b",
        b"/" + b"../" * 5000,
    ],
)
def test_normalize_refuses(raw: bytes) -> None:
    assert normalize(raw) is None


def test_normalize_returns_what_is_normal_as_it_is() -> None:
    raw = b"/users/1/profile"

    assert normalize(raw) is raw


@given(st.binary(max_size=60).map(lambda tail: b"/" + tail))
def test_normalize_holds_its_laws(raw: bytes) -> None:
    normal = normalize(raw)
    if normal is not None:
        assert normal.startswith(b"/")
        assert b"//" not in normal
        assert not {b".", b".."} & set(normal.split(b"/"))


@given(st.text("/.%2eEfFa", max_size=40).map(lambda tail: "/" + tail))
def test_normalize_twice_is_once(raw: str) -> None:
    normal = normalize(raw.encode())
    if normal is not None and b"%" not in normal:
        assert normalize(normal) == normal


@given(st.binary(max_size=60))
def test_escape_leaves_nothing_unsafe_and_is_stable(path: bytes) -> None:
    escaped = escape(path)

    assert escaped.isascii()
    assert escape(escaped) == escaped
    assert not set(escaped) & set(b' "<>\\^`{|}\x00\r\n\x7f')


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/foo bar", b"/foo%20bar"),
        ("/endeløst".encode(), b"/endel%C3%B8st"),
        (b"/a%2Fb", b"/a%2Fb"),
        (b"/!#$&'()*+,/:;=?@[]-_.~%", b"/!#$&'()*+,/:;=?@[]-_.~%"),
    ],
)
def test_escape(path: bytes, expected: bytes) -> None:
    assert escape(path) == expected


# Columns: service path, route path (None: by host only), strip_path values, handling, request -> upstream.
BOTH = (True, False)
JOINED: list[tuple[str, str | None, tuple[bool, ...], str, list[tuple[str, str]]]] = [
    ("/", "/", BOTH, "v0 v1", [(p, p) for p in ("/", "/route", "/route/", "/routereq", "/route/req")]),
    ("/", "/route", (False,), "v0 v1", [(p, p) for p in ("/route", "/route/", "/routereq")]),
    ("/", "/route", (True,), "v0 v1", [("/route", "/"), ("/route/", "/"), ("/routereq", "/req")]),
    ("/", "/route/", (False,), "v0 v1", [("/route/", "/route/"), ("/route/req", "/route/req")]),
    ("/", "/route/", (True,), "v0 v1", [("/route/", "/"), ("/route/req", "/req")]),
    ("/srv", "/rou", (False,), "v0", [("/roureq", "/srv/roureq")]),
    ("/srv", "/rou", (False,), "v1", [("/roureq", "/srvroureq")]),
    ("/srv", "/rou", (True,), "v0", [("/roureq", "/srv/req")]),
    ("/srv", "/rou", (True,), "v1", [("/roureq", "/srvreq")]),
    ("/srv/", "/rou", (False,), "v0 v1", [("/rou", "/srv/rou")]),
    ("/srv/", "/rou", (True,), "v0", [("/rou", "/srv")]),
    ("/srv/", "/rou", (True,), "v1", [("/rou", "/srv/")]),
    ("/service", "/", BOTH, "v0 v1", [("/", "/service")]),
    (
        "/service",
        "/",
        BOTH,
        "v0",
        [(p, "/service" + p) for p in ("/route", "/route/", "/routereq", "/route/req")],
    ),
    (
        "/service",
        "/",
        BOTH,
        "v1",
        [("/" + p, "/service" + p) for p in ("route", "route/", "routereq", "route/req")],
    ),
    ("/service", "/route", (False,), "v0", [(p, "/service" + p) for p in ("/route", "/route/", "/routereq")]),
    (
        "/service",
        "/route",
        (False,),
        "v1",
        [("/" + p, "/service" + p) for p in ("route", "route/", "routereq")],
    ),
    ("/service", "/route", (True,), "v0 v1", [("/route", "/service"), ("/route/", "/service/")]),
    ("/service", "/route", (True,), "v0", [("/routereq", "/service/req")]),
    ("/service", "/route", (True,), "v1", [("/routereq", "/servicereq")]),
    ("/service", "/route/", (False,), "v0", [(p, "/service" + p) for p in ("/route/", "/route/req")]),
    ("/service", "/route/", (False,), "v1", [("/" + p, "/service" + p) for p in ("route/", "route/req")]),
    ("/service", "/route/", (True,), "v0", [("/route/", "/service/"), ("/route/req", "/service/req")]),
    ("/service", "/route/", (True,), "v1", [("/route/", "/service"), ("/route/req", "/servicereq")]),
    (
        "/service/",
        "/",
        BOTH,
        "v0 v1",
        [(p, "/service" + p) for p in ("/", "/route", "/route/", "/routereq", "/route/req")],
    ),
    (
        "/service/",
        "/route",
        (False,),
        "v0 v1",
        [(p, "/service" + p) for p in ("/route", "/route/", "/routereq")],
    ),
    ("/service/", "/route", (True,), "v0", [("/route", "/service")]),
    ("/service/", "/route", (True,), "v1", [("/route", "/service/")]),
    ("/service/", "/route", (True,), "v0 v1", [("/route/", "/service/"), ("/routereq", "/service/req")]),
    ("/service/", "/route/", (False,), "v0 v1", [(p, "/service" + p) for p in ("/route/", "/route/req")]),
    ("/service/", "/route/", (True,), "v0 v1", [("/route/", "/service/"), ("/route/req", "/service/req")]),
    ("/", None, BOTH, "v0 v1", [(p, p) for p in ("/", "/route", "/route/")]),
    (
        "/service",
        None,
        BOTH,
        "v0",
        [("/", "/service"), ("/route", "/service/route"), ("/route/", "/service/route/")],
    ),
    (
        "/service",
        None,
        BOTH,
        "v1",
        [("/", "/service"), ("/route", "/serviceroute"), ("/route/", "/serviceroute/")],
    ),
    ("/service/", None, BOTH, "v0 v1", [(p, "/service" + p) for p in ("/", "/route", "/route/")]),
    (
        "/service",
        "/route",
        (True,),
        "v0",
        [(p, "/service/req") for p in ("/route./req", "/route%2E/req", "/route../req", "/route%2e%2E/req")],
    ),
    (
        "/service",
        "/route",
        (True,),
        "v1",
        [(p, "/servicereq") for p in ("/route./req", "/route%2E/req", "/route../req", "/route%2e%2E/req")],
    ),
    (
        "/service/",
        "/route",
        (True,),
        "v0 v1",
        [(p, "/service/req") for p in ("/route./req", "/route%2E/req", "/route../req", "/route%2e%2E/req")],
    ),
    ("/service", "/route", (False,), "v0", [(p, "/service" + p) for p in ("/route./req", "/route../req")]),
    (
        "/service",
        "/route",
        (False,),
        "v1",
        [("/" + p, "/service" + p) for p in ("route./req", "route../req")],
    ),
    (
        "/service/",
        "/route",
        (False,),
        "v0 v1",
        [(p, "/service" + p) for p in ("/route./req", "/route../req")],
    ),
    ("/service", "/route", (False,), "v0", [("/route%2E/req", "/service/route./req")]),
]


@pytest.mark.parametrize(
    ("service_path", "route_path", "strip", "v1", "request_path", "expected"),
    [
        (service_path, route_path, strip, handling == "v1", request_path, expected)
        for service_path, route_path, strips, handlings, cases in JOINED
        for strip in strips
        for handling in handlings.split()
        for request_path, expected in cases
    ],
)
def test_join(
    service_path: str, route_path: str | None, strip: bool, v1: bool, request_path: str, expected: str
) -> None:
    path = normalize(request_path.encode())
    assert path is not None
    matched_length = None if route_path is None else len(route_path)

    joined = join(service_path.encode(), path, matched_length=matched_length, strip=strip, v1=v1)

    assert joined == expected.encode()


def test_join_drops_a_lone_dot_segment() -> None:
    assert join(b"/s", b"/r..", matched_length=2, strip=True, v1=False) == b"/s"
