"""Single conditions, where they are more than a comparison."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from dbless_gateway.routing.conditions import AddressRule, in_network


@pytest.mark.parametrize(
    ("ip", "network", "expected"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "::/0", False),
        ("::1", "::1/128", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("unix:", "0.0.0.0/0", False),
        ("", "::/0", False),
    ],
)
def test_in_network(ip: str, network: str, expected: bool) -> None:
    assert in_network(ip, ip_network(network)) is expected


@pytest.mark.parametrize(
    ("network", "port", "expected"),
    [
        (None, 80, True),
        (None, 81, False),
        ("10.0.0.1/32", None, True),
        ("10.0.0.1/32", 80, True),
        ("10.0.0.1/32", 81, False),
        ("10.0.0.2/32", 80, False),
    ],
)
def test_each_given_part_must_fit(network: str | None, port: int | None, expected: bool) -> None:
    rule = AddressRule(None if network is None else ip_network(network), port)

    assert rule.takes("10.0.0.1", 80) is expected
