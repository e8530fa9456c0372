from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from dbless_gateway.admin.api import ADMIN_API, STATUS_API, Api
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest
from tests.unit.admin.node_reports import FixedCommands


def ask(
    method: str, path: str, *, status_api: bool = False, body: bytes = b"", **headers: str
) -> AdminAnswer:
    api = Api(STATUS_API if status_api else ADMIN_API, FixedCommands())
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return asyncio.run(api.answer(AdminRequest(method, path, {}, names, body)))


def body_of(answer: AdminAnswer) -> Any:
    assert answer.body is not None
    return json.loads(answer.body)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/status", 200),
        ("GET", "/status/", 200),
        ("HEAD", "/status", 200),
        ("POST", "/reload", 200),
        ("GET", "/nothing", 404),
        ("POST", "/nothing", 404),
        ("GET", "", 404),
        ("DELETE", "/status", 405),
        ("GET", "/reload", 405),
        ("HEAD", "/reload", 405),
    ],
)
def test_status(method: str, path: str, status: int) -> None:
    assert ask(method, path).status == status


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [("GET", "/nothing", "Not found"), ("PUT", "/status", "Method not allowed")],
)
def test_what_is_not_there_has_kongs_words(method: str, path: str, message: str) -> None:
    assert body_of(ask(method, path)) == {"message": message}


@pytest.mark.parametrize(("path", "allow"), [("/status", "GET, HEAD, OPTIONS"), ("/reload", "OPTIONS, POST")])
def test_options_tells_the_methods(path: str, allow: str) -> None:
    answer = ask("OPTIONS", path, access_control_request_headers="X-A")
    assert (answer.status, answer.body) == (204, None)
    assert answer.headers == {
        "Allow": allow,
        "Access-Control-Allow-Methods": allow,
        "Access-Control-Allow-Headers": "X-A",
    }


def test_a_refused_method_is_told_what_is_there() -> None:
    assert ask("DELETE", "/reload").headers == {"Allow": "OPTIONS, POST"}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/x-www-form-urlencoded", 200),
        ("multipart/form-data; boundary=x", 200),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_bodies_have_a_type(content_type: str, status: int) -> None:
    assert ask("POST", "/reload", body=b"{}", content_type=content_type).status == status


@pytest.mark.parametrize(
    ("path", "status"),
    [("/status", 200), ("/status/ready", 200), ("/status/live", 200), ("/", 404), ("/reload", 404)],
)
def test_the_status_api_is_small(path: str, status: int) -> None:
    assert ask("GET", path, status_api=True).status == status


@pytest.mark.parametrize(
    ("body", "content_type", "is_trusted", "status"),
    [
        (b"status=draining", "application/x-www-form-urlencoded", True, 204),
        (b'{"status": "draining"}', "application/json", True, 204),
        (b"status=ready", "application/x-www-form-urlencoded", True, 400),
        (b"", "", True, 400),
        (b"status=draining", "application/x-www-form-urlencoded", False, 403),
    ],
)
def test_a_node_can_be_taken_out_of_traffic(
    body: bytes, content_type: str, is_trusted: bool, status: int
) -> None:
    commands = FixedCommands()
    api = Api(STATUS_API, commands)
    request = AdminRequest("POST", "/status/ready", {}, {"content-type": content_type}, body)
    answer = asyncio.run(api.answer(replace(request, is_trusted=is_trusted)))
    assert answer.status == status
    assert commands.report.draining == (status == 204)
    ready = asyncio.run(api.answer(AdminRequest("GET", "/status/ready", {}, {})))
    assert ready.status == (503 if status == 204 else 200)


def test_every_endpoint_is_described() -> None:
    assert all(endpoint.description.endswith(".") for endpoint in (*ADMIN_API, *STATUS_API))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"kong-admin-token": "wrong"}, 401),
        ({"kong-admin-token": "s\u00e9cret"}, 401),
        # UTF-8, as it arrives.
        ({"kong-admin-token": "s\u00c3\u00a9cret"}, 200),
        ({"authorization": "Bearer s\u00c3\u00a9cret"}, 200),
        ({"authorization": "Basic s\u00c3\u00a9cret"}, 401),
    ],
)
def test_a_token_is_asked_for(headers: dict[str, str], status: int) -> None:
    commands = FixedCommands(token="s\u00e9cret")
    request = AdminRequest("GET", "/status", {}, headers)
    protected = Api(ADMIN_API, commands, is_protected=True)
    assert asyncio.run(protected.answer(request)).status == status
    assert asyncio.run(Api(STATUS_API, commands).answer(request)).status == 200
    preflight = AdminRequest("OPTIONS", "/status", {}, {})
    assert asyncio.run(protected.answer(preflight)).status == 204
