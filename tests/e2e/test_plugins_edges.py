"""Edges of the plugins that shape traffic, through a real gateway: errors that the gateway makes itself,
bodies without a length, what is on the wire where a plugin's own tests see only its calls.

Each row names a route below, what the client and its target send, and what both see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.client import fetch
from tests.support.config import parse_json, service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection
from tests.support.ports import free_ports
from tests.support.wire import Response

ANSWER = b'{"a":1}'
ERROR_KEYS = rb'"message":"%s","request_id":"[0-9a-f]{32}"'
ID = r"[0-9a-f-]{36}#\d+"
Lines = tuple[tuple[str, str], ...]
PREFLIGHT: Lines = (("Origin", "http://a.test"), ("Access-Control-Request-Method", "GET"))
JSON_PATCH: Lines = (("Content-Type", "application/json-patch+json"), ("X-Gone", "1"))


def plugin(name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "config": config}


KEY_AUTH = plugin("key-auth")
CORS = plugin("cors", origins=["http://a.test", "http://b.test"], methods=None, exposed_headers=["X-A"])
ECHO = plugin("correlation-id", header_name="X-Id", echo_downstream=True)
ADD_JSON = plugin("response-transformer", add={"json": ["z:1"], "headers": ["X-Z:1"]})
PLUGINS: dict[str, list[dict[str, Any]]] = {
    "/redirect": [plugin("redirect", location="https://NEW.test:443/x?y", keep_incoming_path=True)],
    "/cors": [CORS],
    "/cors-refused": [CORS, KEY_AUTH],
    "/cors-continued": [plugin("cors", preflight_continue=True)],
    "/cors-strict": [plugin("cors", allow_origin_absent=False)],
    "/id": [ECHO],
    "/id-refused": [ECHO, KEY_AUTH],
    "/tracker": [plugin("correlation-id", header_name="X-Id", generator="tracker")],
    "/size": [plugin("request-size-limiting", allowed_payload_size=10, size_unit="bytes")],
    "/length": [plugin("request-size-limiting", require_content_length=True)],
    "/request": [
        plugin(
            "request-transformer",
            http_method="PUT",
            remove={"headers": ["X-Gone"]},
            replace={"headers": ["Host:other.test"]},
            add={"body": ["b:$(headers.x_gone)|"], "querystring": ["z:1"]},
        )
    ],
    "/uri": [plugin("request-transformer", replace={"uri": "/new path$(uri_captures.rest)"})],
    "/bad-uri": [plugin("request-transformer", replace={"uri": "$(headers.x_uri)"})],
    "/bad-value": [plugin("request-transformer", add={"headers": ["X-A:$(1 + headers.x_number)"]})],
    "/text": [plugin("request-transformer", add={"headers": ["X-A:é$(query_params.a)"]})],
    "/response": [ADD_JSON],
    "/response-refused": [ADD_JSON, KEY_AUTH],
    "/response-headers": [plugin("response-transformer", add={"headers": ["X-Z:1"]})],
    "/cache": [plugin("proxy-cache", strategy="memory", cache_control=True)],
    "/cost": [plugin("response-ratelimiting", limits={"video": {"year": 1}}, limit_by="ip")],
    "/cost-blocked": [
        plugin(
            "response-ratelimiting",
            limits={"video": {"year": 1}},
            limit_by="ip",
            block_on_first_violation=True,
        )
    ],
}
DEAD = {"/cors-dead": [CORS], "/id-dead": [ECHO], "/response-dead": [ADD_JSON]}


@dataclass(frozen=True)
class Row:
    """``seen`` and ``target_saw`` are headers: a pattern of the whole value, or None for absent.

    ``body`` is a pattern, too. A target that sees nothing was not asked.
    """

    target: str
    sent: Lines = ()
    method: str = "GET"
    sent_body: bytes = b""
    status: int = 200
    body: bytes = re.escape(ANSWER)
    seen: dict[str, str | None] = field(default_factory=dict)
    target_saw: dict[str, str | None] | None = None
    request_line: str | None = None
    forwarded_body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.target} {self.status}"


ROWS = [
    Row("/redirect/a%7Bb%7D%22%20%C3%A9%2f?q=<'>", status=301, body=b"redirecting",
        seen={"Location": "https://new\\.test/redirect/a%7Bb%7D%22%20%C3%A9%2F\\?q=%3C%27%3E",
            "Content-Type": None}),
    Row("/cors", PREFLIGHT, "OPTIONS", body=b"", seen={"Content-Length": "0", "Vary": "Origin",
        "Access-Control-Allow-Origin": "http://a\\.test", "Access-Control-Expose-Headers": None,
        "Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT"}),
    Row("/cors", PREFLIGHT[1:], "OPTIONS", target_saw={}),
    Row("/cors-refused", PREFLIGHT, "OPTIONS", body=b"", seen={"Access-Control-Allow-Origin": ".*a\\.test"}),
    Row("/cors-refused", PREFLIGHT, status=401, body=b"(?s).*No API key found in request.*",
        seen={"Access-Control-Allow-Origin": "http://a\\.test", "Access-Control-Expose-Headers": "X-A"}),
    Row("/cors-dead", PREFLIGHT, status=502, body=b"(?s).*invalid response.*",
        seen={"Access-Control-Allow-Origin": "http://a\\.test", "Vary": "Origin"}),
    Row("/cors-continued", PREFLIGHT, "OPTIONS", target_saw={"Origin": "http://a\\.test"},
        seen={"Access-Control-Allow-Origin": None}),
    Row("/cors-strict", target_saw={}, seen={"Access-Control-Allow-Origin": None}),
    Row("/cors-strict", PREFLIGHT[:1], target_saw={}, seen={"Access-Control-Allow-Origin": "\\*"}),
    Row("/id", target_saw={"X-Id": ID}, seen={"X-Id": ID}),
    Row("/id", (("X-Id", "  "),), target_saw={"X-Id": ID}, seen={"X-Id": ID}),
    Row("/id-refused", (("X-Id", "mine"),), status=401, body=b"(?s).*", seen={"X-Id": "mine"}),
    Row("/id-dead", status=502, body=b"(?s).*", seen={"X-Id": ID}),
    Row("/tracker", target_saw={"X-Id": r"127\.0\.0\.1-\d+-\d+-\d+-1-\d+\.\d{3}"}, seen={"X-Id": None}),
    Row("/size", (("Expect", "100-Continue"),), "POST", bytes(11), 417, b"(?s).*Request size limit.*"),
    Row("/size", (("Accept", "text/plain"),), "POST", bytes(11), 413, b"Request size limit exceeded\n(?s:.*)",
        seen={"Content-Type": "text/plain; charset=utf-8"}),
    Row("/size", (("Transfer-Encoding", "chunked"),), "POST", b"a\r\n0123456789\r\n0\r\n\r\n", target_saw={},
        forwarded_body=b"0123456789"),
    Row("/size", (("Transfer-Encoding", "chunked"),), "POST", b"b\r\n0123456789a\r\n0\r\n\r\n", 413,
        b"(?s).*Request size limit exceeded.*"),
    Row("/length", (("Transfer-Encoding", "chunked"),), "POST", b"1\r\n0\r\n0\r\n\r\n", target_saw={},
        forwarded_body=b"0"),
    Row("/length", status=411, body=b"(?s).*A valid Content-Length header is required.*"),
    Row("/request?q=%FF", JSON_PATCH, "POST", ANSWER, target_saw={"Host": "other\\.test", "X-Gone": None,
        "Content-Length": "15"}, request_line="PUT /?q=%FF&z=1 HTTP/1.1", forwarded_body=b'{"a":1,"b":"|"}'),
    Row("/uri/x?q=$&,", target_saw={}, request_line="GET /new%20path/x?q=$&, HTTP/1.1"),
    Row("/bad-uri", (("X-Uri", "x"),), status=500, body=b"(?s).*An unexpected error occurred.*"),
    Row("/bad-value", (("X-Number", "2"),), target_saw={"X-A": "3"}),
    Row("/bad-value", (("X-Number", "two"),), status=500, body=b"(?s).*An unexpected error occurred.*"),
    Row("/text?a=%E2%82%AC%FF", target_saw={"X-A": "\xc3\xa9\xe2\x82\xac\xff"}),
    Row("/text?a=1%0D%0AX-Evil:1", status=500, body=b"(?s).*An unexpected error occurred.*"),
    Row("/response", body=rb'\{"a":1,"z":"1"\}', target_saw={},
        seen={"X-Z": "1", "Content-Length": None, "Transfer-Encoding": "chunked"}),
    Row("/response", (("X-Status", "204"),), status=204, body=b"", target_saw={}, seen={"X-Z": "1"}),
    Row("/response", (("X-Type", "text/plain"),), target_saw={}, seen={"X-Z": "1"}),
    Row("/response", method="HEAD", body=b"", target_saw={}, seen={"Content-Length": "7"}),
    Row("/response-refused", status=401, body=rb'\{"message":"No API key found in request",.*,"z":"1"\}',
        seen={"X-Z": "1"}),
    Row("/response-dead", (("Accept", "application/json"),), status=502, body=rb'\{"message":"An invalid.*,"z":"1"\}',
        seen={"X-Z": "1"}),
    Row("/response-headers", target_saw={}, seen={"X-Z": "1", "Content-Length": "7"}),
    Row("/cache", (("Cache-Control", "only-if-cached"),), status=504, seen={"X-Cache-Status": None,
        "X-Cache-Key": "[0-9a-f]{64}"}, body=b"(?s).*The upstream server is timing out.*"),
    Row("/cache", (("Cache-Control", "no-store"),), target_saw={},
        seen={"X-Cache-Status": "Bypass", "X-Cache-Key": None}),
]  # fmt: skip


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin(answer) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    (closed_port,) = free_ports(1)
    routes = {"/uri": {"paths": ["~/uri(?<rest>.*)"]}}
    services = [
        service(origin.address, path, path="/" if path != "/uri" else "/unused", plugins=plugins,
            route=routes.get(path))
        for path, plugins in PLUGINS.items()
    ]  # fmt: skip
    dead = f"127.0.0.1:{closed_port}"
    services += [service(dead, path, plugins=plugins, retries=0) for path, plugins in DEAD.items()]
    with Gateway(write(tmp_path_factory.mktemp("edges"), *services)) as running:
        yield running
    assert "Traceback" not in str(running.log)


def answer(connection: OriginConnection) -> None:
    request = connection.receive()
    status = request.get("X-Status") or "200"
    headers: Lines = (("Content-Type", request.get("X-Type") or "application/json"),)
    if request.get("X-Cost") is not None:
        headers += (("X-Kong-Limit", request.get("X-Cost") or ""),)
    if request.get("X-Fresh") is not None:
        headers += (("Cache-Control", "max-age=60"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    connection.answer(b"" if status == "204" else ANSWER, status=status, headers=headers)


def check(message: Any, expected: dict[str, str | None]) -> None:
    for name, pattern in expected.items():
        value = message.get(name)
        assert value is None if pattern is None else re.fullmatch(pattern, value or ""), (name, message.raw)


def ask(gateway: Gateway, row: Row) -> Response:
    """Send a request; one that says that it is chunked has its framing in the body already."""
    if row.sent and row.sent[0][0] == "Transfer-Encoding":
        with gateway.connect() as client:
            lines = "".join(f"{name}: {value}\r\n" for name, value in row.sent)
            head = f"{row.method} {row.target} HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n"
            client.send(head.encode() + row.sent_body)
            return client.read_response(row.method)
    return gateway.fetch(row.target, method=row.method, headers=row.sent, body=row.sent_body)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(gateway: Gateway, origin: Origin, row: Row) -> None:
    before = len(origin.requests)
    response = ask(gateway, row)

    assert response.status == row.status, response.raw
    assert re.fullmatch(row.body, response.body), response.body
    check(response, row.seen)
    if row.target_saw is None:
        return
    (request,) = origin.requests[before:]
    check(request, row.target_saw)
    assert request.start_line == (row.request_line or request.start_line)
    assert request.body == row.forwarded_body


def test_ids_are_counted(gateway: Gateway) -> None:
    ids = [gateway.fetch("/id").get("X-Id") or "" for _ in range(2)]

    assert ids[0].partition("#")[0] == ids[1].partition("#")[0]
    assert int(ids[1].partition("#")[2]) == int(ids[0].partition("#")[2]) + 1


def test_a_hit_counts_as_proxied(gateway: Gateway, origin: Origin) -> None:
    first = gateway.fetch("/cache/hit", headers=[("X-Fresh", "1")])
    asked = len(origin.requests)
    hit = gateway.fetch("/cache/hit")

    assert (hit.status, hit.body, len(origin.requests)) == (200, ANSWER, asked)
    assert hit.get_all("Set-Cookie") == ["a=1", "b=2"]
    check(hit, {"X-Cache-Status": "Hit", "X-Cache-Key": first.get("X-Cache-Key"), "Age": "[0-9]+",
        "X-Kong-Proxy-Latency": r"\d+", "X-Kong-Upstream-Latency": r"\d+", "Via": "1.1 kong/.*",
        "X-Kong-Response-Latency": None, "Content-Length": "7"})  # fmt: skip


def test_the_admin_api_of_the_cache(gateway: Gateway) -> None:
    """An entry is shown and forgotten by its key, and all of them at once."""

    def fetch_fresh(path: str) -> tuple[str | None, str]:
        response = gateway.fetch(path, headers=[("X-Fresh", "1")])
        return response.get("X-Cache-Status"), response.get("X-Cache-Key") or ""

    def admin(method: str, path: str) -> Response:
        return fetch(gateway.admin_port, path, method=method)

    keys = [fetch_fresh(path)[1] for path in ("/cache/1", "/cache/2")]
    (instance,) = [
        found["id"]
        for found in parse_json(admin("GET", "/plugins?size=1000").body)["data"]
        if found["name"] == "proxy-cache"
    ]
    shown = parse_json(admin("GET", f"/proxy-cache/{keys[0]}").body)
    assert (shown["status"], shown["body"], shown["headers"]["set-cookie"]) == (
        200, ANSWER.decode(), ["a=1", "b=2"])  # fmt: skip

    one = f"/proxy-cache/{instance}/caches/{keys[0]}"
    assert [admin(*asked).status for asked in [("GET", one), ("DELETE", one), ("DELETE", one), ("GET", one)]] == [
        200, 204, 404, 404]  # fmt: skip
    assert [fetch_fresh(path)[0] for path in ("/cache/1", "/cache/2")] == ["Miss", "Hit"]
    assert admin("DELETE", "/proxy-cache").status == 204
    assert [fetch_fresh(path)[0] for path in ("/cache/1", "/cache/2")] == ["Miss", "Miss"]


def test_a_limit_of_costs(gateway: Gateway, origin: Origin) -> None:
    """The request after the last is sent to the target, and its response is replaced."""
    seen = [gateway.fetch("/cost", headers=[("X-Cost", cost)]) for cost in ("video=1", "video=1", "x=1")]

    assert [(response.status, response.body) for response in seen] == [
        (200, ANSWER), (429, b""), (200, ANSWER)]  # fmt: skip
    assert [request.get("X-RateLimit-Remaining-video") for request in origin.requests[-3:]] == ["1", "0", "0"]
    for response in seen:
        check(response, {"X-Kong-Limit": None, "X-RateLimit-Limit-Video-Year": "1",
            "X-RateLimit-Remaining-Video-Year": "0"})  # fmt: skip


def test_a_limit_of_costs_that_blocks(gateway: Gateway, origin: Origin) -> None:
    gateway.fetch("/cost-blocked", headers=[("X-Cost", "video=1")])
    asked = len(origin.requests)
    blocked = gateway.fetch("/cost-blocked")

    assert (blocked.status, len(origin.requests)) == (429, asked)
    assert b"API rate limit exceeded for 'video'" in blocked.body
