"""The grammar of hosts, addresses and ports."""

from __future__ import annotations

import pytest

from dbless_gateway.config.addresses import (
    Address,
    is_ip_or_cidr,
    normalize_target,
    parse_port,
    split_address,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", Address("a", None, False)),
        ("a.b-c_d.", Address("a.b-c_d.", None, False)),
        ("a:80", Address("a", 80, False)),
        ("1.2.3.4", Address("1.2.3.4", None, True)),
        ("1.2.3.4:80", Address("1.2.3.4", 80, True)),
        ("::1", Address("::1", None, True)),
        ("[::1]", Address("::1", None, True)),
        ("[::1]:80", Address("::1", 80, True)),
        ("1.2.3", Address("1.2.3", None, False)),
        ("", None),
        (":80", None),
        ("a:", None),
        ("a:b", None),
        ("a:65536", None),
        ("a:²", None),
        ("[::1", None),
        ("[::1]x", None),
        ("[::1]:", None),
        ("[a]:80", None),
        ("::g", None),
        ("fe80::1%eth0", None),
        ("1.2.3.400", None),
        ("-a", None),
        ("a-", None),
        ("a..b", None),
        (".a", None),
        ("a b", None),
        ("a\n", None),
        ("ä", None),
    ],
)
def test_split_address(text: str, expected: Address | None) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("1.2.3.4", True),
        ("1.2.3.4/0", True),
        ("1.2.3.4/24", True),
        ("::1/128", True),
        ("1.2.3.4/33", False),
        ("1.2.3.4/255.0.0.0", False),
        ("1.2.3.4/", False),
        ("1.2.3", False),
        (" 1.2.3.4", False),
        ("::1%1", False),
        ("x", False),
        ("", False),
    ],
)
def test_ranges(text: str, good: bool) -> None:
    assert is_ip_or_cidr(text) is good


@pytest.mark.parametrize(
    ("text", "port"), [("0", 0), ("65535", 65535), ("65536", None), ("-1", None), ("", None)]
)
def test_ports(text: str, port: int | None) -> None:
    assert parse_port(text) == port


def test_a_target_is_written_out_once() -> None:
    for text in ("a", "a:1", "::1", "[::1]:5", "1.2.3.4"):
        assert normalize_target(normalize_target(text)) == normalize_target(text)
    assert normalize_target("not a target") == "not a target"
