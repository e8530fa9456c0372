"""Every format: what it lets pass and what it says about the rest."""

from __future__ import annotations

import pytest

from dbless_gateway.config.formats import FORMATS

UUID = "7a267194-6123-5ee0-a1c9-4c1559eb0d95"
GOOD = {
    "kong-uuid": [UUID, UUID.upper()],
    "kong-name": ["a", "a.b-c_d~1", "ü"],
    "kong-tag": ["a b", "a:b", "ü", "a|b"],
    "kong-host": ["a", "::1", "1.2.3.4", "[::1]"],
    "kong-host-with-port": ["a", "a:1"],
    "kong-target": ["a", "a:1", "[::1]:1"],
    "kong-upstream-name": ["a", "a_b.c"],
    "kong-route-host": ["a", "*.a", "a.*", "a:1", "*.a:1"],
    "kong-wildcard-host": ["a", "*.a", "a.*"],
    "kong-sni": ["a", "a.b."],
    "kong-wildcard-sni": ["a", "*.a", "a.*"],
    "kong-sni-name": ["*", "*.a", "a"],
    "kong-path": ["/", "/a/%20"],
    "kong-route-path": ["/", "/a", "~/a.*", "~/(?P<x>a)"],
    "kong-regex": ["a", "(?i)a"],
    "kong-origin": ["*", "https://a", ".*"],
    "kong-header-name": ["a", "X-A_1"],
    "kong-route-header-name": ["a", "hosts"],
    "kong-header-entry": ["a:b", "a:", "a:b:c"],
    "kong-header-name-entry": ["a", "a:b"],
    "kong-header-rename": ["a:b"],
    "kong-cookie-name": ["a", "a!b"],
    "kong-ip-or-cidr": ["1.2.3.4", "::/0"],
    "kong-url": ["http://a", "https://u:p@a:1/b?c#d", "x://a"],
    "kong-service-url": ["http://a", "a", "a:443/b", "tls://a:1"],
    "kong-redirect-uri": ["http://a/b?c"],
}
BAD = {
    "kong-uuid": ["", "x", UUID[:-1], UUID + "\n", UUID.replace("-", "")],
    "kong-name": ["a b", "a/b", "a@b", "a\x7f", "a\n", "\ud800"],
    "kong-tag": ["a,b", "a/b", "a\x1fb", "a\x7f", "\ud800"],
    "kong-host": ["", "a:1", "a b", "[::1]:1", "a/b"],
    "kong-host-with-port": ["a:", "a b"],
    "kong-target": ["a:x", "1.2.3.4:70000"],
    "kong-upstream-name": ["1.2.3.4", "::1", "a:1", "a b"],
    "kong-route-host": ["*", "*.*", "a.*.b", "*a", "a*", "*.a:x", "a b", "*."],
    "kong-wildcard-host": ["*", "*.*.a", "a.*.b", "a b"],
    "kong-sni": ["1.2.3.4", "::1", "a:1", "a b"],
    "kong-wildcard-sni": ["*", "*.*", "a.*.b", "*.a b", "1.2.3.4"],
    "kong-sni-name": ["**", "1.2.3.4"],
    "kong-path": ["a", "/a//b", "/a b", "/%2", "/ü"],
    "kong-route-path": ["a", "~a", "//", "/a/.", "/%61", "/a?b", "~/(", "~/(?=a)"],
    "kong-regex": ["(", "(?=a)", "a{100000}"],
    "kong-origin": ["(", "**"],
    "kong-header-name": ["", "a b", "a:b", "ü", "a\n"],
    "kong-route-header-name": ["host", "HOST", "a b"],
    "kong-header-entry": ["a", ":a", "a b:c"],
    "kong-header-name-entry": ["", "a b", ":a"],
    "kong-header-rename": ["a", "a:", ":a", "a b:c", "a:b c"],
    "kong-cookie-name": ["", "a b", "a=b", "a;b", "a,b", 'a"b', "a\\b", "a[b", "a\tb", "a\x7f"],
    "kong-ip-or-cidr": ["", "x", "1.2.3.4/33", "1.2.3"],
    "kong-url": ["", "a", "//", "http://", "http://[", "//a", "http://a:x"],
    "kong-service-url": ["", "http://", "ftp://a", "http://a b", "http://a//b", "://a"],
    "kong-redirect-uri": ["", "a", "http://a#b"],
    "kong-certificate": ["", "x"],
    "kong-private-key": ["", "x"],
    "kong-ca-certificate": ["", "x"],
}


def test_every_format_is_tried() -> None:
    assert set(BAD) == set(FORMATS)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in GOOD.items() for value in values]
)
def test_good(name: str, value: str) -> None:
    assert FORMATS[name](value) is None


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_bad(name: str, value: str) -> None:
    assert FORMATS[name](value)
