"""The heads that the target and the client see, to the last header."""

from __future__ import annotations

import re

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection
from tests.support.wire import Response

VIA = "1.1 kong/3.9.1"
REQUEST_ID = re.compile(r"[0-9a-f]{32}")
MILLISECONDS = re.compile(r"\d+")
# nginx-based gateways add these to every response; a client can tell nothing from them.
CONNECTION_HEADERS = {"connection", "date", "content-length"}


def test_target_sees_forwarded_headers(gateway: Gateway, origin: Origin) -> None:
    gateway.fetch("/o/users?page=2", headers=[("Accept", "*/*")])

    request = origin.next_request()
    headers = {name.lower(): value for name, value in request.headers}
    assert request.start_line == "GET /users?page=2 HTTP/1.1"
    assert REQUEST_ID.fullmatch(headers.pop("x-kong-request-id"))
    assert headers == {
        "host": origin.address,
        "connection": "keep-alive",
        "accept": "*/*",
        "via": VIA,
        "x-real-ip": "127.0.0.1",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "gateway.test",
        "x-forwarded-port": str(gateway.port),
        "x-forwarded-path": "/o/users",
        "x-forwarded-prefix": "/o",
    }
    assert len(request.headers) == len(headers) + 1, "no header twice"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ([("X-Forwarded-For", "10.0.0.1")], {"X-Forwarded-For": ["10.0.0.1, 127.0.0.1"]}),
        ([("X-Forwarded-Host", "evil.test")], {"X-Forwarded-Host": ["gateway.test"]}),
        ([("X-Forwarded-Proto", "https")], {"X-Forwarded-Proto": ["http"]}),
        ([("X-Real-IP", "10.0.0.1")], {"X-Real-IP": ["127.0.0.1"]}),
        ([("X-Kong-Request-Id", "mine")], {"X-Kong-Request-Id": None}),
        ([("Via", "1.1 cdn")], {"Via": [f"1.1 cdn, {VIA}"]}),
        ([("Connection", "X-Secret"), ("X-Secret", "1")], {"X-Secret": []}),
        ([("Keep-Alive", "timeout=5")], {"Keep-Alive": []}),
        ([("Proxy-Connection", "close")], {"Proxy-Connection": []}),
        ([("TE", "trailers, deflate")], {"TE": ["trailers"]}),
        ([("TE", "gzip")], {"TE": []}),
        ([("Upgrade", "h2c"), ("Connection", "Upgrade")], {"Upgrade": [], "Connection": ["keep-alive"]}),
        ([("X-Twice", "1"), ("X-Twice", "2")], {"X-Twice": ["1", "2"]}),
        ([("X-Empty", "")], {"X-Empty": [""]}),
        ([("under_score", "kept")], {"under_score": ["kept"]}),
        ([("odd!name", "dropped")], {"odd!name": []}),
    ],
)
def test_what_becomes_of_a_client_header(
    gateway: Gateway, origin: Origin, sent: list[tuple[str, str]], seen: dict[str, list[str] | None]
) -> None:
    gateway.fetch("/o", headers=sent)

    request = origin.next_request()
    for name, values in seen.items():
        if values is None:
            assert REQUEST_ID.fullmatch(request.get(name) or ""), request.raw
        else:
            assert request.get_all(name) == values, request.raw


@pytest.mark.parametrize(
    ("target", "forwarded", "host", "prefix"),
    [
        ("/o", "/", None, "/o"),
        ("/o/", "/", None, "/o"),
        ("/o/a%20b", "/a%20b", None, "/o"),
        ("/o/a//b/../c?q=%20", "/a/c?q=%20", None, "/o"),
        ("/kept/x", "/kept/x", "gateway.test", None),
        ("/based/x", "/base/x", None, "/based"),
        ("/based", "/base", None, "/based"),
    ],
)
def test_path_and_host(
    gateway: Gateway, origin: Origin, target: str, forwarded: str, host: str | None, prefix: str | None
) -> None:
    gateway.fetch(target)

    request = origin.next_request()
    assert request.target == forwarded
    assert request.get("Host") == (host or origin.address)
    assert request.get("X-Forwarded-Prefix") == prefix
    assert request.get("X-Forwarded-Path") == target.partition("?")[0]


def test_client_sees_the_targets_headers_and_the_gateways(gateway: Gateway, origin: Origin) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.answer(
            b"hi",
            headers=(
                ("Content-Type", "application/json"),
                ("Server", "origin/1"),
                ("Date", "Sat, 01 Jan 2000 00:00:00 GMT"),
                ("Set-Cookie", "a=1"),
                ("Set-Cookie", "b=2"),
                ("Location", "http://elsewhere.test/"),
                ("Connection", "X-Hop"),
                ("X-Hop", "dropped"),
                ("Keep-Alive", "timeout=5"),
                ("X-Own", "kept"),
            ),
        )

    origin.script = script
    response = gateway.fetch("/o")

    assert response.body == b"hi"
    assert response.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert response.get("Date") == "Sat, 01 Jan 2000 00:00:00 GMT"
    assert response.get("X-Kong-Request-Id") == origin.next_request().get("X-Kong-Request-Id")
    assert MILLISECONDS.fullmatch(response.get("X-Kong-Upstream-Latency") or "")
    assert MILLISECONDS.fullmatch(response.get("X-Kong-Proxy-Latency") or "")
    assert names(response) == {
        "content-type",
        "server",
        "set-cookie",
        "location",
        "x-own",
        "via",
        "x-kong-upstream-latency",
        "x-kong-proxy-latency",
        "x-kong-request-id",
    }
    assert response.get("Server") == "origin/1"
    assert response.get("Via") == VIA


@pytest.mark.parametrize(
    ("content_type", "seen"),
    [
        ("text/plain", "text/plain; charset=UTF-8"),
        ("text/html; charset=latin1", "text/html; charset=latin1"),
        ("application/json", "application/json"),
    ],
)
def test_charset_is_added_to_text(gateway: Gateway, origin: Origin, content_type: str, seen: str) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.answer(b"x", headers=(("Content-Type", content_type),))

    origin.script = script
    assert gateway.fetch("/o").get("Content-Type") == seen


def test_server_is_added_when_the_target_names_none(gateway: Gateway, origin: Origin) -> None:
    assert gateway.fetch("/o").get("Server") == "kong/3.9.1"


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "404 Gone Fishing", "500 Oops", "599 Custom"])
def test_status_of_the_target_is_the_clients(gateway: Gateway, origin: Origin, status: str) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.answer(b"as sent", status=status)

    origin.script = script
    response = gateway.fetch("/o")
    assert (response.status, response.body) == (int(status[:3]), b"as sent")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_method_passes(gateway: Gateway, origin: Origin, method: str) -> None:
    response = gateway.fetch("/o", method=method, body=b"payload" if method != "GET" else b"")

    assert response.status == 200
    assert origin.next_request().method == method


def names(response: Response) -> set[str]:
    return {name.lower() for name in response.names} - CONNECTION_HEADERS
