"""Every answer that the gateway gives itself: status, body, content type and headers, as Kong words them."""

from __future__ import annotations

import json

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection
from tests.support.wire import Response

JSON = "application/json; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
XML = "application/xml; charset=utf-8"

NO_ROUTE = "no Route matched with those values"
BAD_GATEWAY = "An invalid response was received from the upstream server"
TIMEOUT = "The upstream server is timing out"
NO_PEER = "failure to get a peer from the ring-balancer"


@pytest.mark.parametrize(
    ("target", "status", "message", "proxied"),
    [
        ("/unknown", 404, NO_ROUTE, False),
        ("/nowhere", 503, "no Service found with those values", False),
        ("/empty", 503, NO_PEER, False),
        ("/closed", 502, BAD_GATEWAY, True),
        ("/deaf", 504, TIMEOUT, True),
    ],
)
def test_answer_and_its_headers(
    gateway: Gateway, target: str, status: int, message: str, proxied: bool
) -> None:
    response = gateway.fetch(target, headers=[("Accept", "application/json")])

    request_id = response.get("X-Kong-Request-Id")
    assert response.status == status
    assert response.body.decode() == f'{{\n  "message":"{message}",\n  "request_id":"{request_id}"\n}}'
    assert response.get("Content-Type") == JSON
    assert response.get("Server") == "kong/3.9.1"
    present = {name.lower() for name in response.names}
    latencies = {"x-kong-upstream-latency", "x-kong-proxy-latency"}
    assert latencies & present == (latencies if proxied else set())
    assert ("x-kong-response-latency" in present) is not proxied
    assert ("via" in present) is proxied


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        (None, JSON, '{{\n  "message":"{message}",\n  "request_id":"{id}"\n}}'),
        ("text/plain", PLAIN, "{message}\nrequest_id: {id}\n"),
        ("text/html", HTML, "<h1>Error</h1>\n    <p>{message}.</p>\n    <p>request_id: {id}</p>"),
        ("application/xml", XML, "<message>{message}</message>\n  <requestid>{id}</requestid>"),
        ("image/png", JSON, '"message":"{message}"'),
        ("text/html;q=0.1, text/plain;q=0.9", PLAIN, "{message}\n"),
    ],
)
def test_body_is_negotiated(gateway: Gateway, accept: str | None, content_type: str, body: str) -> None:
    response = gateway.fetch("/unknown", headers=[("Accept", accept)] if accept else [])

    assert response.status == 404
    assert response.get("Content-Type") == content_type
    assert body.format(message=NO_ROUTE, id=response.get("X-Kong-Request-Id")) in response.body.decode()


def test_without_accept_a_generic_error_is_plain_text(gateway: Gateway) -> None:
    response = gateway.fetch("/closed")

    assert response.status == 502
    assert response.get("Content-Type") == PLAIN
    assert response.body.decode() == f"{BAD_GATEWAY}\nrequest_id: {response.get('X-Kong-Request-Id')}\n"


def test_head_of_an_error_has_no_body(gateway: Gateway) -> None:
    with gateway.connect() as client:
        assert client.request("HEAD", "/unknown").status == 404
        assert client.request("GET", "/unknown").status == 404, "the connection is still in step"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/9.9 hello\r\n\r\n", 502),
        (b"not http at all\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello", 502),
        (b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", 502),
        (b"", 502),
    ],
)
def test_nonsense_from_the_target_is_a_bad_gateway(
    gateway: Gateway, origin: Origin, answer: bytes, status: int
) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.send(answer)
        connection.close()

    origin.script = script
    assert message(gateway.fetch("/impatient", headers=[("Accept", "application/json")])) == BAD_GATEWAY


def test_silent_target_times_out(gateway: Gateway, origin: Origin) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.read_to_end()  # Answers nothing until the gateway gives up.

    origin.script = script
    response = gateway.fetch("/impatient", headers=[("Accept", "application/json")])
    assert (response.status, message(response)) == (504, TIMEOUT)


def message(response: Response) -> str:
    told: str = json.loads(response.body)["message"]
    return told
