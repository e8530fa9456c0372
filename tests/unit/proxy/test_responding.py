"""The head that the client sees (proxy.md section 4): own headers, charset, what passes and what does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dbless_gateway.pdk.reply import EncodedHeaders, Reply
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.proxy.responding import with_charset
from tests.support.client import request_bytes
from tests.support.exchange_script import ROUTE_ID, SERVICE_ID, Stage
from tests.support.wire import Response
from tests.unit.proxy.conftest import MakeStage

KONG_HEADERS = (
    "X-Kong-Upstream-Latency",
    "X-Kong-Proxy-Latency",
    "X-Kong-Response-Latency",
    "X-Kong-Upstream-Status",
    "Via",
    "Server",
    "X-Kong-Request-Id",
)


def proxied(stage: Stage, *headers: str, raw: bytes | None = None) -> Response:
    """Return what the client sees of a target's answer with these headers."""
    client = stage.connect()
    client.send(raw or request_bytes())
    target = stage.accept()
    target.read_request()
    target.answer(b"body", "200 OK", *headers)
    return client.read_response()


def replied(make_stage: MakeStage, reply: Reply, **options: Any) -> Response:
    """Return what the client sees of a plugin's reply."""

    class Replying:
        def access(self, ctx: Any) -> Reply:
            return reply

    client = make_stage(plugins=[Replying()], options=ProxyOptions(**options)).connect()
    client.send(request_bytes())
    return client.read_response()


def present(response: Response) -> set[str]:
    return {name for name in KONG_HEADERS if response.get(name) is not None}


PROXIED = {"X-Kong-Upstream-Latency", "X-Kong-Proxy-Latency", "Via", "Server", "X-Kong-Request-Id"}
REPLIED = {"X-Kong-Response-Latency", "Server", "X-Kong-Request-Id"}
TOKENS = [
    ({}, set()),
    ({"latency_tokens": False}, {name for name in KONG_HEADERS if name.endswith("Latency")}),
    ({"server_tokens": False}, {"Via", "Server"}),
    ({"request_id_downstream": False}, {"X-Kong-Request-Id"}),
    ({"latency_tokens": False, "server_tokens": False, "request_id_downstream": False}, set(KONG_HEADERS)),
]


@pytest.mark.parametrize(("options", "missing"), TOKENS)
def test_headers_of_a_proxied_response(
    make_stage: MakeStage, options: dict[str, Any], missing: set[str]
) -> None:
    assert present(proxied(make_stage(options=ProxyOptions(**options)))) == PROXIED - missing


@pytest.mark.parametrize(("options", "missing"), TOKENS)
def test_headers_of_a_reply(make_stage: MakeStage, options: dict[str, Any], missing: set[str]) -> None:
    assert present(replied(make_stage, Reply(200, b"x"), **options)) == REPLIED - missing


@pytest.mark.parametrize(
    "headers",
    [
        (("Content-Type", "text/plain"), ("X-A", "1"), ("Set-Cookie", "a"), ("Set-Cookie", "b")),
        (("X-A", ""), ("content-type", "application/json")),
        (("Connection", "Upgrade"), ("Upgrade", "HTTP/2")),
        (),
    ],
)
@pytest.mark.parametrize("is_filtered", [False, True])
def test_encoded_headers_of_a_reply_are_sent_like_any(
    make_stage: MakeStage, headers: tuple[tuple[str, str], ...], is_filtered: bool
) -> None:
    def sent(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        steps = {"header_filter": lambda ctx: None} if is_filtered else {}
        plugin = SimpleNamespace(access=lambda ctx: Reply(200, b"x", headers), **steps)
        client = make_stage(plugins=[plugin]).connect()
        client.send(request_bytes())
        response = client.read_response()
        return sorted((name.lower(), value) for name, value in response.headers if name not in KONG_HEADERS)

    assert sent(EncodedHeaders(headers)) == sent(headers)


def test_reply_on_behalf_of_the_target_looks_proxied(make_stage: MakeStage) -> None:
    assert present(replied(make_stage, Reply(200, b"x", proxied=True))) == PROXIED


def test_status_of_the_target_on_request(make_stage: MakeStage) -> None:
    response = proxied(make_stage(options=ProxyOptions(upstream_status=True)))
    assert response.get("X-Kong-Upstream-Status") == "200"


DEBUG = ("Kong-Route-Id", "Kong-Route-Name", "Kong-Service-Id", "Kong-Service-Name")
DEBUG_REQUEST = request_bytes(headers=[("kong-debug", "1")])


@pytest.mark.parametrize(
    ("allowed", "raw", "told"),
    [
        (True, DEBUG_REQUEST, [ROUTE_ID, "r", SERVICE_ID, "svc"]),
        (True, request_bytes(), [None] * 4),
        (False, DEBUG_REQUEST, [None] * 4),
    ],
)
def test_debug_headers_of_a_proxied_response(
    make_stage: MakeStage, allowed: bool, raw: bytes, told: list[str | None]
) -> None:
    stage = make_stage(options=ProxyOptions(allow_debug_header=allowed), route={"name": "r"})
    response = proxied(stage, raw=raw)

    assert [response.get(name) for name in DEBUG] == told
    assert present(response) == PROXIED


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ({"name": "r", "service": None}, [ROUTE_ID, "r", None, None]),
        ({"name": None}, [ROUTE_ID, None, SERVICE_ID, "svc"]),
        ({"paths": ("/elsewhere",)}, [None] * 4),
    ],
)
def test_debug_headers_of_the_gateways_own_answers(
    make_stage: MakeStage, route: dict[str, Any], told: list[str | None]
) -> None:
    class Refusing:
        def access(self, ctx: Any) -> Reply:
            return Reply(403, b"")

    options = ProxyOptions(allow_debug_header=True)
    client = make_stage(plugins=[Refusing()], options=options, route=route).connect()
    client.send(DEBUG_REQUEST)
    response = client.read_response()

    assert [response.get(name) for name in DEBUG] == told


def test_own_headers(stage: Stage) -> None:
    response = proxied(stage)
    assert (response.get("Via"), response.get("Server")) == ("1.1 kong/3.9.1", "kong/3.9.1")
    assert (response.get("X-Kong-Upstream-Latency") or "").isdigit()


def test_server_and_via_of_the_target_are_kept(stage: Stage) -> None:
    response = proxied(stage, "server: nginx", "Via: 1.0 inner")
    assert response.get_all("Server") == ["nginx"]
    assert response.get_all("Via") == ["1.0 inner, 1.1 kong/3.9.1"]


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (["Date: x", "Location: http://inside/", "Refresh: 1"], ["Date", "Location", "Refresh"]),
        (["Set-Cookie: a=1", "Set-Cookie: b=2"], ["Set-Cookie", "Set-Cookie"]),
        (["Keep-Alive: timeout=5", "Proxy-Connection: x", "Upgrade: h2c", "Trailer: X"], []),
        (["Connection: X-A, close", "X-A: 1", "X-B: 2"], ["X-B"]),
        (["X-Accel-Buffering: no"], []),
    ],
)
def test_what_passes(stage: Stage, given: list[str], seen: list[str]) -> None:
    names = {line.partition(":")[0] for line in given} - {"Connection"}
    response = proxied(stage, *given)
    assert [name for name in response.names if name in names] == seen


@pytest.mark.parametrize(
    ("content_type", "charset", "expected"),
    [
        (b"text/html", b"UTF-8", b"text/html; charset=UTF-8"),
        (b"TEXT/Plain", b"UTF-8", b"TEXT/Plain; charset=UTF-8"),
        (b"text/xml", b"koi8-r", b"text/xml; charset=koi8-r"),
        (b"text/vnd.wap.wml", b"UTF-8", b"text/vnd.wap.wml; charset=UTF-8"),
        (b"application/javascript", b"UTF-8", b"application/javascript; charset=UTF-8"),
        (b"application/rss+xml", b"UTF-8", b"application/rss+xml; charset=UTF-8"),
        (b"text/html; charset=latin-1", b"UTF-8", b"text/html; charset=latin-1"),
        (b'text/html; Charset="x"', b"UTF-8", b'text/html; Charset="x"'),
        (b"text/html; boundary=x", b"UTF-8", b"text/html; boundary=x; charset=UTF-8"),
        (b"text/css", b"UTF-8", b"text/css"),
        (b"application/json", b"UTF-8", b"application/json"),
        (b"image/png", b"UTF-8", b"image/png"),
        (b"text/html", None, b"text/html"),
        (b"", b"UTF-8", b""),
    ],
)
def test_charset(content_type: bytes, charset: bytes | None, expected: bytes) -> None:
    assert with_charset(content_type, charset) == b"\r\nContent-Type: " + expected


@pytest.mark.parametrize(
    ("given", "seen"), [("text/html", "text/html; charset=UTF-8"), ("application/json", "application/json")]
)
def test_charset_of_proxied_and_own_answers(make_stage: MakeStage, given: str, seen: str) -> None:
    assert proxied(make_stage(), f"Content-Type: {given}").get("Content-Type") == seen
    assert replied(make_stage, Reply(200, b"x", (("Content-Type", given),))).get("Content-Type") == seen


def test_missing_content_type_stays_missing(stage: Stage) -> None:
    assert proxied(stage).get("Content-Type") is None


@pytest.mark.parametrize(
    ("te", "trailer", "trailers"),
    [("trailers", "X-Sum", [("X-Sum", "1")]), ("gzip", None, []), (None, None, [])],
)
def test_trailers_go_to_those_who_ask(
    stage: Stage, te: str | None, trailer: str | None, trailers: list[tuple[str, str]]
) -> None:
    client = stage.connect()
    client.send(request_bytes(headers=[("TE", te)] if te else []))
    target = stage.accept()
    target.read_request()
    target.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"1\r\na\r\n0\r\nX-Sum: 1\r\nSet-Cookie: evil=1\r\n\r\n"
    )
    response = client.read_response()
    assert (response.get("Trailer"), response.trailers) == (trailer, trailers)


@pytest.mark.parametrize(
    ("raw", "connection", "closed"),
    [
        (request_bytes(), "keep-alive", False),
        (request_bytes(headers=[("Connection", "close")]), "close", True),
        (b"GET / HTTP/1.0\r\n\r\n", "close", True),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "keep-alive", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "close", True),
    ],
)
def test_persistence(stage: Stage, raw: bytes, connection: str, closed: bool) -> None:
    client = stage.connect()
    client.send(raw)
    target = stage.accept()
    target.read_request()
    target.answer(b"body")
    assert client.read_response().get("Connection") == connection
    assert client.is_closed == closed


@pytest.mark.parametrize("size", [0, 1, 5000, 40_000, 400_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("version", [0, 1])
def test_bodies_of_every_size_framing_and_version(
    stage: Stage, size: int, framing: str, version: int
) -> None:
    body = b"x" * size
    client = stage.connect()
    client.send(f"GET / HTTP/1.{version}\r\nHost: a\r\n\r\n".encode())
    target = stage.accept()
    target.read_request()
    if framing == "length":
        target.answer(body)
    elif framing == "chunked":
        data = b"%x\r\n%b\r\n" % (size, body) if size else b""
        target.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data + b"0\r\n\r\n")
    else:
        target.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        target.finish()
    response = client.read_response()
    assert response.body == body
    assert version or response.get("Transfer-Encoding") is None
    # A body until close comes in two parts here; anything else is one write, two for a large body.
    assert client.transport.writes <= (3 if framing == "close" else 2)


class TestSetBefore:
    """Headers that plugins set before there is a response."""

    class Setting:
        def access(self, ctx: Any) -> None:
            ctx.set_response_header("X-A", "1")
            ctx.set_response_header("X-A", "2")
            ctx.add_response_header("X-B", "1")
            ctx.add_response_header("X-B", "2")

    def test_on_the_targets_answer(self, make_stage: MakeStage) -> None:
        response = proxied(make_stage(plugins=[self.Setting()]), "X-A: 0", "X-B: 0")
        assert response.get_all("X-A") == ["2"]
        assert response.get_all("X-B") == ["0", "1", "2"]

    def test_on_a_failure(self, make_stage: MakeStage) -> None:
        stage = make_stage(plugins=[self.Setting()], service={"retries": 0})
        client = stage.connect()
        client.send(request_bytes())
        stage.refuse()
        response = client.read_response()
        assert (response.status, response.get("X-A")) == (502, "2")


def test_header_filter_may_change_everything(make_stage: MakeStage) -> None:
    class Filtering:
        def header_filter(self, ctx: Any) -> None:
            assert ctx.response.status == 200
            ctx.response.status = 202
            ctx.response.headers.set("X-A", "new")
            ctx.response.headers.remove("x-b")
            ctx.response.headers.add("X-C", ctx.response.headers.get("Content-Type"))

    stage = make_stage(plugins=[Filtering()])
    response = proxied(stage, "X-A: old", "X-A: older", "X-B: 1", "Content-Type: application/json")
    assert response.start_line == "HTTP/1.1 202 Accepted"
    assert [response.get(name) for name in ("X-A", "X-B", "X-C")] == ["new", None, "application/json"]
    assert stage.finished[0].status == 202


@pytest.mark.parametrize("status", [204, 304])
def test_status_with_body_set_late(make_stage: MakeStage, status: int) -> None:
    """A client must not wait for a body that does not come."""

    class Filtering:
        def header_filter(self, ctx: Any) -> None:
            ctx.response.status = 200

    stage = make_stage(plugins=[Filtering()])
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    target.read_request()
    target.send(b"HTTP/1.1 %d X\r\n\r\n" % status)
    response = client.read_response()
    assert (response.status, response.body, client.is_closed) == (200, b"", False)


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_body_set_late(make_stage: MakeStage, status: int) -> None:
    """The bytes of the body would be the beginning of the next answer."""

    class Filtering:
        def header_filter(self, ctx: Any) -> None:
            ctx.response.status = status

    stage = make_stage(plugins=[Filtering()])
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    target.read_request()
    target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nbody")
    target.send(b"more")
    assert client.read_response().status == status
    assert client.receive() == b""
    client.send(request_bytes())
    target.read_request()


def test_plugins_see_the_type_that_the_target_named(make_stage: MakeStage) -> None:
    """The default charset is added behind them, as the web server under Kong does it."""
    seen: list[str | None] = []

    class Looker:
        def header_filter(self, ctx: Any) -> None:
            seen.append(ctx.response.headers.get("Content-Type"))

    stage = make_stage(plugins=[Looker()])
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    target.read_request()
    target.answer(b"x", "200 OK", "Content-Type: text/plain")
    assert client.read_response().get("Content-Type") == "text/plain; charset=UTF-8"
    assert seen == ["text/plain"]
