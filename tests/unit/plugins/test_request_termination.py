"""request-termination, row by row of its page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import request_termination
from tests.support.plugin_context import FakeCaptures, FakeContext, make_handler, make_route, make_service

JSON = ("Content-Type", "application/json; charset=utf-8")
SERVICE_UNAVAILABLE = b'{"message":"Service unavailable"}'
DEFAULTS: dict[str, Any] = {"status_code": 503, "echo": False}


def answer(config: dict[str, Any], ctx: FakeContext | None = None) -> Any:
    return make_handler(request_termination, DEFAULTS | config).access(ctx or FakeContext())


@pytest.mark.parametrize(
    ("config", "status", "body", "headers"),
    [
        ({}, 503, SERVICE_UNAVAILABLE, (JSON,)),
        ({"status_code": 401}, 401, b'{"message":"Unauthorized"}', (JSON,)),
        ({"status_code": 404}, 404, b'{"message":"Not found"}', (JSON,)),
        ({"status_code": 405}, 405, b'{"message":"Method not allowed"}', (JSON,)),
        ({"status_code": 500}, 500, b'{"message":"An unexpected error occurred"}', (JSON,)),
        ({"status_code": 502}, 502, b'{"message":"Bad Gateway"}', (JSON,)),
        ({"status_code": 404, "message": "gone"}, 404, b'{"message":"gone"}', (JSON,)),
        ({"body": "<a/>", "content_type": "text/xml"}, 503, b"<a/>", (("Content-Type", "text/xml"),)),
        ({"body": "plain"}, 503, b"plain", ()),
        ({"status_code": 201, "message": "made"}, 201, b'{"message":"made"}', (JSON,)),
        ({"message": None, "content_type": None, "body": None}, 503, SERVICE_UNAVAILABLE, (JSON,)),
        ({"status_code": 204}, 204, b"", ()),
        ({"status_code": 200}, 200, b"", ()),
        ({"status_code": 418}, 418, b"", ()),
    ],
)
def test_answers(
    config: dict[str, Any], status: int, body: bytes, headers: tuple[tuple[str, str], ...]
) -> None:
    reply = answer(config)

    assert (reply.status, reply.body, reply.headers) == (status, body, headers)


def test_a_status_without_text_gets_the_servers_page() -> None:
    assert answer({"status_code": 403}).body.startswith(b"<html>")
    assert answer({"status_code": 400}).body.startswith(b"Bad request\n")


@pytest.mark.parametrize(
    ("target", "headers", "is_triggered"),
    [
        ("/", [], False),
        ("/?stop=1", [], True),
        ("/?stop", [], True),
        ("/", [("Stop", "")], True),
        ("/?go", [("Go", "1")], False),
    ],
)
def test_trigger(target: str, headers: list[tuple[str, str]], is_triggered: bool) -> None:
    reply = answer({"trigger": "stop"}, FakeContext(target=target, headers=headers))

    assert (reply is not None) is is_triggered


def test_echo() -> None:
    ctx = FakeContext(
        "POST",
        "/a?q=1&q=2&f",
        [("X-A", "1"), ("X-A", "2"), ("Content-Type", "application/json")],
        b'{"k":1}',
        route=make_route("r1"),
    )
    ctx.captures = FakeCaptures(("/a",), {"n": "v"})
    reply = answer({"status_code": 200, "echo": True, "message": "hello"}, ctx)
    described = json.loads(reply.body)

    assert described["message"] == "hello"
    assert set(described["kong"]) == {"node_id", "worker_pid", "hostname"}
    assert described["request"] == {
        "scheme": "http",
        "host": "gateway.test",
        "port": 8000,
        "headers": {"x-a": ["1", "2"], "content-type": "application/json"},
        "query": {"q": ["1", "2"], "f": True},
        "body": {"k": 1},
        "raw_body": '{"k":1}',
        "method": "POST",
        "path": "/a",
        "uri_captures": {"named": {"n": "v"}, "unnamed": ["/a"]},
    }
    assert described["matched_route"]["id"] == "r1"
    assert "matched_service" not in described


def test_echo_of_a_service_and_a_status_without_message() -> None:
    ctx = FakeContext(route=make_route("r1", service="s1"), service=make_service("s1"))
    described = json.loads(answer({"status_code": 200, "echo": True}, ctx).body)

    assert "message" not in described
    assert described["matched_service"]["id"] == "s1"
    assert described["matched_route"]["service"] == {"id": "s1"}
    assert json.loads(answer({"echo": True}).body)["message"] == "Service unavailable"


def test_echo_of_an_unreadable_body() -> None:
    described = json.loads(answer({"echo": True}, FakeContext("POST", body=b"x")).body)

    assert "body" not in described["request"]
    assert described["request"]["raw_body"] == "x"


@pytest.mark.parametrize(
    ("config", "message"),
    [({}, "Service unavailable"), ({"message": "m"}, "m"), ({"body": "b"}, "b")],
)
def test_grpc(config: dict[str, Any], message: str) -> None:
    reply = answer(config, FakeContext(headers=[("content-type", "application/grpc")]))

    assert dict(reply.headers) == {"grpc-status": "14", "grpc-message": message}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"message": "m", "body": "b"}, "message cannot be used with content_type or body"),
        ({"message": "m", "content_type": "t"}, "message cannot be used with content_type or body"),
        ({"content_type": "t"}, "content_type requires a body"),
        ({"echo": True, "body": "b"}, "echo cannot be used with content_type and body"),
    ],
)
def test_config_errors(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        answer(config)
