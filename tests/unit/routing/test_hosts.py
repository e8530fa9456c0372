"""Reading hosts, ports and server names."""

from __future__ import annotations

import pytest

from dbless_gateway.routing.hosts import (
    HostKind,
    HostPattern,
    parse_host,
    parse_sni,
    split_port,
    split_port_bracketed,
)

NO_PORT = 1 << 16


@pytest.mark.parametrize(
    ("host", "compatible", "traditional"),
    [
        (b"a.test", (b"a.test", None), (b"a.test", None)),
        (b"a.test:80", (b"a.test", 80), (b"a.test", 80)),
        (b"a.test:", (b"a.test:", None), (b"a.test:", None)),
        (b"a.test:x", (b"a.test:x", None), (b"a.test:x", None)),
        (b"a:1:2", (b"a:1:2", None), (b"a:1:2", None)),
        (b"[::1]", (b"[::1]", None), (b"[::1]", None)),
        (b"[::1]:8", (b"[::1]:8", None), (b"[::1]", 8)),
        (b"[::1:8", (b"[::1:8", None), (b"[::1:8", None)),
        (b"::1", (b"::1", None), (b"::1", None)),
        (b":80", (b"", 80), (b"", 80)),
        (b"", (b"", None), (b"", None)),
        (b"a:123456", (b"a", NO_PORT), (b"a", NO_PORT)),
        (b"a:" + b"9" * 9000, (b"a", NO_PORT), (b"a", NO_PORT)),
    ],
)
def test_split_port(
    host: bytes, compatible: tuple[bytes, int | None], traditional: tuple[bytes, int | None]
) -> None:
    assert split_port(host) == compatible
    assert split_port_bracketed(host) == traditional


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("A.test", HostPattern(HostKind.EXACT, b"a.test", None)),
        ("*.a.test:81", HostPattern(HostKind.SUFFIX, b".a.test", 81)),
        ("a.*", HostPattern(HostKind.PREFIX, b"a.", None)),
    ],
)
def test_parse_host(host: str, expected: HostPattern) -> None:
    assert parse_host(host) == expected


def test_parse_sni() -> None:
    assert parse_sni("A.test.") == HostPattern(HostKind.EXACT, b"a.test", None)
    assert parse_sni("*.test").kind is HostKind.SUFFIX
