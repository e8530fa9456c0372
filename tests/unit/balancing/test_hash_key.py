"""hash_on and its fallbacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from dbless_gateway.balancing.hash_key import HashKey, compile_hash_key
from tests.support.upstream_entities import upstream


@dataclass
class Request:
    """A request, as far as it can be hashed."""

    client_ip: str = "192.0.2.7"
    path_bytes: bytes = b"/a b"
    consumer: str | None = None
    headers: dict[bytes, list[bytes]] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    query: dict[str, list[str | bool]] = field(default_factory=dict)
    captures: dict[str, str] = field(default_factory=dict)

    def consumer_id(self) -> str | None:
        return self.consumer

    def header_values(self, name: bytes) -> list[bytes]:
        return self.headers.get(name, [])

    def cookie(self, name: str) -> str | None:
        return self.cookies.get(name)

    def query_values(self, name: str) -> list[str | bool]:
        return self.query.get(name, [])

    def capture(self, name: str) -> str | None:
        return self.captures.get(name)


def key(request: Request, **fields: Any) -> HashKey:
    """Return the key of a request at a consistent-hashing upstream."""
    find = compile_hash_key(upstream(algorithm="consistent-hashing", **fields))
    assert find is not None
    return find(request)


@pytest.mark.parametrize(
    ("fields", "request_", "value"),
    [
        ({}, Request(), b""),
        ({"hash_on": "ip"}, Request(), b"192.0.2.7"),
        ({"hash_on": "path"}, Request(), b"/a b"),
        ({"hash_on": "consumer"}, Request(consumer="c1"), b"c1"),
        ({"hash_on": "consumer"}, Request(), b""),
        ({"hash_on": "consumer", "hash_fallback": "ip"}, Request(), b"192.0.2.7"),
        ({"hash_on": "header", "hash_on_header": "X-User-Id"}, Request(headers={b"x-user-id": [b"7"]}), b"7"),
        ({"hash_on": "header", "hash_on_header": "X"}, Request(headers={b"x": [b"1", b"2"]}), b"1, 2"),
        (
            {
                "hash_on": "header",
                "hash_on_header": "A",
                "hash_fallback": "header",
                "hash_fallback_header": "B",
            },
            Request(headers={b"b": [b"2"]}),
            b"2",
        ),
        ({"hash_on": "query_arg", "hash_on_query_arg": "foo"}, Request(query={"foo": [True]}), b"true"),
        (
            {"hash_on": "query_arg", "hash_on_query_arg": "foo"},
            Request(query={"foo": ["s", True, "1", ""]}),
            b",1,s,true",
        ),
        (
            {"hash_on": "query_arg", "hash_on_query_arg": "foo", "hash_fallback": "path"},
            Request(query={"foo": [""]}),
            b"/a b",
        ),
        (
            {"hash_on": "ip", "hash_fallback": "query_arg", "hash_fallback_query_arg": "q"},
            Request(client_ip="", query={"q": ["v"]}),
            b"v",
        ),
        ({"hash_on": "uri_capture", "hash_on_uri_capture": "1"}, Request(captures={"1": "é"}), "é".encode()),
        (
            {
                "hash_on": "uri_capture",
                "hash_on_uri_capture": "a",
                "hash_fallback": "uri_capture",
                "hash_fallback_uri_capture": "b",
            },
            Request(captures={"b": "x"}),
            b"x",
        ),
        ({"hash_on": "cookie", "hash_on_cookie": "sid"}, Request(cookies={"sid": "abc"}), b"abc"),
        (
            {"hash_on": "consumer", "hash_fallback": "cookie", "hash_on_cookie": "sid"},
            Request(consumer="c", cookies={"sid": "abc"}),
            b"c",
        ),
    ],
)
def test_value(fields: dict[str, Any], request_: Request, value: bytes) -> None:
    assert HashKey(value, None) == key(request_, **fields)


@pytest.mark.parametrize(
    "fields", [{"hash_on": "cookie"}, {"hash_on": "consumer", "hash_fallback": "cookie"}]
)
def test_a_missing_cookie_is_made_up(fields: dict[str, str]) -> None:
    made = key(Request(), hash_on_cookie="sid", hash_on_cookie_path="/p", **fields)
    assert UUID(made.value.decode()).version == 4
    assert made.cookie is not None
    assert made.cookie.name == "sid"
    assert made.cookie.header_value == f"sid={made.value.decode()}; Path=/p; Same-Site=Lax; HttpOnly"


@pytest.mark.parametrize("algorithm", ["round-robin", "least-connections", "latency"])
def test_other_algorithms_look_at_no_key(algorithm: str) -> None:
    assert compile_hash_key(upstream(algorithm=algorithm, hash_on="ip")) is None
