"""Trusted peers and the client's real address (proxy.md section 3)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from dbless_gateway.http1.headers import Headers
from dbless_gateway.proxy.client_address import is_trusted, real_ip
from dbless_gateway.proxy.options import ProxyOptions

LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
PEER = "127.0.0.1"


@pytest.mark.parametrize(
    ("ip", "networks", "expected"),
    [
        ("127.9.9.9", LOCAL, True),
        ("::1", LOCAL, True),
        ("128.0.0.1", LOCAL, False),
        ("::2", LOCAL, False),
        ("127.0.0.1", (), False),
        ("::1", (ip_network("0.0.0.0/0"),), False),
        ("unix:", LOCAL, False),
        ("", LOCAL, False),
    ],
)
def test_is_trusted(ip: str, networks: tuple[object, ...], expected: bool) -> None:
    assert is_trusted(ip, networks) is expected  # type: ignore[arg-type]


def address(lines: list[str], header: str, recursive: bool = False) -> str:
    options = ProxyOptions(trusted_ips=LOCAL, real_ip_header=header, real_ip_recursive=recursive)
    block = b"".join(b"\r\n%b: %b" % (header.encode(), line.encode()) for line in lines)
    return real_ip(PEER, Headers(block), options)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], PEER),
        (["1.1.1.1"], "1.1.1.1"),
        (["1.1.1.1, 2.2.2.2"], "2.2.2.2"),
        (["1.1.1.1", "2.2.2.2"], "2.2.2.2"),
        (["1.1.1.1, 127.0.0.1"], "127.0.0.1"),
        (["1.2.3.4:99"], "1.2.3.4"),
        (["2001:db8::1"], "2001:db8::1"),
        (["[2001:db8::1]:99"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (["unknown"], PEER),
        ([""], PEER),
        (["1.1.1.1,"], PEER),
        (["1.1.1.1, 999.1.1.1"], PEER),
        (["[::1"], "::1"),
        (["1.1.1.1\t"], "1.1.1.1"),
    ],
)
@pytest.mark.parametrize("header", ["X-Real-IP", "X-Forwarded-For", "CF-Connecting-IP"])
def test_last_address_counts(header: str, lines: list[str], expected: str) -> None:
    assert address(lines, header) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["1.1.1.1, 127.0.0.1"], "1.1.1.1"),
        (["9.9.9.9, 1.1.1.1, 127.0.0.1, ::1"], "1.1.1.1"),
        (["9.9.9.9, 1.1.1.1", "127.0.0.2"], "1.1.1.1"),
        (["127.0.0.3, 127.0.0.2"], "127.0.0.3"),
        (["1.1.1.1, nonsense, 127.0.0.2"], "127.0.0.2"),
        (["nonsense"], PEER),
        ([], PEER),
    ],
)
def test_recursive_walk_skips_trusted_addresses(lines: list[str], expected: str) -> None:
    assert address(lines, "X-Forwarded-For", recursive=True) == expected


def test_recursion_is_for_forwarded_for_only() -> None:
    assert address(["1.1.1.1, 127.0.0.1"], "X-Real-IP", recursive=True) == "127.0.0.1"
