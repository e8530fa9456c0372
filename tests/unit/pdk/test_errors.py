"""Error bodies: each format to the byte, and which one a client gets."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk import errors
from dbless_gateway.pdk.errors import error_reply, exit_empty, exit_json, refuse, server_error
from tests.support.plugin_context import FakeContext

ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        (
            "application/json",
            "application/json; charset=utf-8",
            f'{{\n  "message":"M",\n  "request_id":"{ID}"\n}}',
        ),
        ("text/plain", "text/plain; charset=utf-8", f"M\nrequest_id: {ID}\n"),
        (
            "application/xml",
            "application/xml; charset=utf-8",
            '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>M</message>\n'
            f"  <requestid>{ID}</requestid>\n</error>\n",
        ),
        (
            "text/html",
            "text/html; charset=utf-8",
            '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n    <title>Error</title>\n'
            "  </head>\n  <body>\n    <h1>Error</h1>\n    <p>M.</p>\n"
            f"    <p>request_id: {ID}</p>\n  </body>\n</html>\n",
        ),
    ],
)
def test_formats(accept: str, content_type: str, body: str) -> None:
    reply = error_reply(401, "M", accept=accept, request_id=ID, headers=(("X-A", "1"),))

    assert reply.status == 401
    assert reply.headers == (("Content-Type", content_type), ("X-A", "1"))
    assert reply.body.decode() == body


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", errors.JSON_TYPE),
        ("application/*", errors.JSON_TYPE),
        ("image/png", errors.JSON_TYPE),
        ("", errors.JSON_TYPE),
        ("text/*", errors.PLAIN_TYPE),
        ("Text/HTML", errors.HTML_TYPE),
        ("text/html;q=0.5, text/plain;q=0.6", errors.PLAIN_TYPE),
        ("text/html;q=0.5, text/plain;q=0.5", errors.HTML_TYPE),
        ("text/html;q=x, application/xml;q=0.1", errors.XML_TYPE),
        ("text/html;level=1;q=0.2,application/json", errors.JSON_TYPE),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", errors.HTML_TYPE),
    ],
)
def test_negotiation(accept: str, expected: str) -> None:
    assert errors.negotiate(accept) == expected


def test_without_accept_an_error_is_json() -> None:
    assert error_reply(404, accept=None, request_id=ID).headers[0][1] == errors.JSON_TYPE


@pytest.mark.parametrize(
    ("content_type", "accept", "default_type", "expected"),
    [
        (None, None, "text/plain", errors.PLAIN_TYPE),
        (None, None, "text/html", errors.HTML_TYPE),
        ("application/json", None, "text/plain", errors.JSON_TYPE),
        ("application/json", "text/html", "text/plain", errors.HTML_TYPE),
    ],
)
def test_server_error_looks_at_the_request_type(
    content_type: str | None, accept: str | None, default_type: str, expected: str
) -> None:
    reply = server_error(
        502, accept=accept, content_type=content_type, default_type=default_type, request_id=ID
    )

    assert reply.headers[0][1] == expected
    assert b"An invalid response was received from the upstream server" in reply.body


def test_494_is_sent_as_400() -> None:
    reply = server_error(494, accept=None, content_type=None, request_id=ID)

    assert reply.status == 400
    assert reply.body.startswith(b"Request header or cookie too large\n")


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        (200, "0", "OK"),
        (204, "0", "OK"),
        (401, "16", "Unauthenticated"),
        (403, "7", "PermissionDenied"),
        (418, "3", "InvalidArgument"),
        (429, "8", "ResourceExhausted"),
        (503, "14", "Unavailable"),
        (599, "13", "Internal"),
        (301, "2", "Unknown"),
    ],
)
def test_grpc_errors_have_no_body(status: int, code: str, name: str) -> None:
    reply = error_reply(status, "M", accept="text/html", request_id=ID, grpc=True)

    assert (reply.status, reply.body) == (status, b"")
    assert reply.headers == (("grpc-status", code), ("grpc-message", name))


def test_grpc_message_of_other_producers_is_the_text() -> None:
    server = server_error(404, "gone", accept=None, content_type="application/grpc+proto", request_id=ID)
    plain = exit_json(403, {"message": "no"}, grpc=True)
    nameless = exit_json(403, {"other": 1}, grpc=True)

    assert [dict(reply.headers)["grpc-message"] for reply in (server, plain, nameless)] == [
        "gone",
        "no",
        "PermissionDenied",
    ]


def test_exit_json_is_compact_and_keeps_a_given_type() -> None:
    reply = exit_json(200, {"a": [1, "é"]}, (("X-A", "1"),))
    typed = exit_json(200, {}, (("content-type", "application/problem+json"),))

    assert reply.body == '{"a":[1,"é"]}'.encode()
    assert reply.headers == (("Content-Type", errors.JSON_TYPE), ("X-A", "1"))
    assert typed.headers == (("content-type", "application/problem+json"),)


@pytest.mark.parametrize(
    ("status", "starts", "content_type"),
    [
        (200, b"", None),
        (418, b"", None),
        (451, b"", None),
        (404, b"Not found\n", errors.PLAIN_TYPE),
        (503, b"The upstream server is currently unavailable\n", errors.PLAIN_TYPE),
        (403, b"<html>\n<head><title>403 Forbidden</title>", "text/html"),
    ],
)
def test_exit_without_body(status: int, starts: bytes, content_type: str | None) -> None:
    reply = exit_empty(FakeContext(), status)

    assert reply.body.startswith(starts)
    assert bool(reply.body) == bool(starts)
    assert dict(reply.headers).get("Content-Type") == content_type


def test_exit_without_body_for_grpc() -> None:
    reply = exit_empty(FakeContext(headers=[("Content-Type", "application/grpc")]), 503)

    assert dict(reply.headers) == {"grpc-status": "14", "grpc-message": "Unavailable"}


def test_refuse_asks_the_exchange() -> None:
    plain = refuse(FakeContext(headers=[("Accept", "text/plain")]), 401)
    grpc = refuse(FakeContext(headers=[("Content-Type", "application/grpc")]), 401)

    assert plain.body == f"Unauthorized\nrequest_id: {ID}\n".encode()
    assert dict(grpc.headers)["grpc-status"] == "16"


def test_an_unknown_status_has_a_message_too() -> None:
    assert errors.message_for(599) == "The upstream server responded with 599"
