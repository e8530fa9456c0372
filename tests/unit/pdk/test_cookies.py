"""Cookies of a request."""

from __future__ import annotations

from dbless_gateway.pdk.cookies import request_cookies
from tests.support.plugin_context import FakeContext


def test_cookies() -> None:
    ctx = FakeContext(headers=[("Cookie", 'a=1; b = "2" ;junk;=x; a=9'), ("Cookie", "c=x=y"), ("Cookie", "")])

    assert request_cookies(ctx) == {"a": "1", "b": "2", "": "x", "c": "x=y"}
