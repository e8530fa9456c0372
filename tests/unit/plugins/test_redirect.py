"""redirect, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import redirect
from tests.support.plugin_context import FakeContext, make_handler

LOCATION = "https://example.com/path?foo=bar"


@pytest.mark.parametrize(
    ("config", "target", "location"),
    [
        ({}, "/status/200?keep=this", LOCATION),
        ({"keep_incoming_path": True}, "/status/200?keep=this", "https://example.com/status/200?keep=this"),
        ({"keep_incoming_path": True}, "/", "https://example.com/"),
        (
            {"keep_incoming_path": True, "location": "http://example.com:8080/"},
            "/a b\r\né",
            "http://example.com:8080/a%20b%0D%0A%C3%A9",
        ),
        (
            {"keep_incoming_path": True},
            "/a\"<>`{}'|?a={}'\"<\xe9 b",
            "https://example.com/a%22%3C%3E%60%7B%7D'|?a={}%27%22%3C%E9%20b",
        ),
        (
            {"keep_incoming_path": True, "location": "https://U:P@EXAMPLE.com:443/x#y"},
            "/a",
            "https://U:P@example.com/a",
        ),
        ({"keep_incoming_path": True, "location": "http://[::80]:443"}, "/a", "http://[::80]:443/a"),
        ({"keep_incoming_path": None}, "/a", LOCATION),
    ],
)
def test_location(config: dict[str, Any], target: str, location: str) -> None:
    defaults = {"status_code": 301, "location": LOCATION, "keep_incoming_path": False}
    reply = make_handler(redirect, defaults | config).access(FakeContext(target=target))

    assert (reply.status, reply.body, reply.headers) == (301, b"redirecting", (("Location", location),))


def test_config_errors() -> None:
    with pytest.raises(ConfigError, match="missing host in url"):
        make_handler(redirect, {"status_code": 301, "location": "/path"})
