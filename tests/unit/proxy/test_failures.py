"""Every answer of the gateway itself, in every form that clients ask for (proxy.md section 5)."""

from __future__ import annotations

import json

import pytest

from dbless_gateway.proxy import failures
from dbless_gateway.proxy.failures import Lesson, Source
from tests.support.client import request_bytes
from tests.support.exchange_script import Stage
from tests.support.wire import Response
from tests.unit.proxy.conftest import MakeStage


def refused(stage: Stage, method: str = "GET", **headers: str) -> Response:
    """Return the 502 of a target that refuses, for these request headers."""
    client = stage.connect()
    client.send(request_bytes(method, headers=[(k.replace("_", "-"), v) for k, v in headers.items()]))
    stage.refuse()
    return client.read_response(method)


def not_found(stage: Stage, **headers: str) -> Response:
    """Return the 404 of a request that no route takes."""
    client = stage.connect()
    client.send(request_bytes(headers=[(k.replace("_", "-"), v) for k, v in headers.items()]))
    return client.read_response()


NEGOTIATED = [
    ("application/json", "application/json"),
    ("text/html", "text/html"),
    ("text/plain", "text/plain"),
    ("text/*", "text/plain"),
    ("application/xml", "application/xml"),
    ("*/*", "application/json"),
    ("application/*", "application/json"),
    ("image/png", "application/json"),
    ("text/html;q=0.5, text/plain", "text/plain"),
    ("text/html, text/plain", "text/html"),
]


@pytest.mark.parametrize(("accept", "kind"), NEGOTIATED)
def test_form_by_accept(make_stage: MakeStage, accept: str, kind: str) -> None:
    expected = f"{kind}; charset=utf-8"
    stage = make_stage(service={"retries": 0})
    assert refused(stage, accept=accept).get("Content-Type") == expected
    stage = make_stage(route={"paths": ("/only",)})
    assert not_found(stage, accept=accept).get("Content-Type") == expected


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [(None, "text/plain"), ("text/html", "text/html"), ("image/png", "application/json")],
)
def test_form_without_accept(make_stage: MakeStage, content_type: str | None, kind: str) -> None:
    """The server's own failures go by the request's type, those raised on purpose are JSON."""
    headers = {} if content_type is None else {"content_type": content_type}
    stage = make_stage(service={"retries": 0})
    assert refused(stage, **headers).get("Content-Type") == f"{kind}; charset=utf-8"
    stage = make_stage(route={"paths": ("/only",)})
    assert not_found(stage, **headers).get("Content-Type") == "application/json; charset=utf-8"


BODIES = {
    "application/json": '{\n  "message":"%s",\n  "request_id":"%s"\n}',
    "text/plain": "%s\nrequest_id: %s\n",
    "application/xml": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>%s</message>\n'
        "  <requestid>%s</requestid>\n</error>\n"
    ),
    "text/html": (
        '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n    <title>Error</title>\n  </head>\n'
        "  <body>\n    <h1>Error</h1>\n    <p>%s.</p>\n    <p>request_id: %s</p>\n  </body>\n</html>\n"
    ),
}


@pytest.mark.parametrize("kind", BODIES)
def test_words(make_stage: MakeStage, kind: str) -> None:
    response = refused(make_stage(service={"retries": 0}), accept=kind)
    message = "An invalid response was received from the upstream server"
    assert response.body.decode() == BODIES[kind] % (message, response.get("X-Kong-Request-Id"))


def test_head_gets_no_body_but_its_length(make_stage: MakeStage) -> None:
    response = refused(make_stage(service={"retries": 0}), "HEAD")
    assert int(response.get("Content-Length") or 0) > 0


def test_grpc_call_is_answered_in_its_own_way(make_stage: MakeStage) -> None:
    response = not_found(make_stage(route={"paths": ("/only",)}), content_type="application/grpc+proto")
    assert (response.status, response.body) == (404, b"")
    assert (response.get("grpc-status"), response.get("grpc-message")) == ("5", "NotFound")


def test_messages_are_kongs(make_stage: MakeStage) -> None:
    response = not_found(make_stage(route={"paths": ("/only",)}))
    assert json.loads(response.body)["message"] == "no Route matched with those values"


def test_names_are_unique() -> None:
    names = [failure.name for failure in failures.ALL]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("failure", failures.ALL, ids=lambda failure: failure.name)
def test_rows_are_consistent(failure: failures.Failure) -> None:
    assert 400 <= failure.status <= 599
    if failure.source is Source.CLIENT:
        assert failure.status < 500
        assert failure.lesson is Lesson.NONE, "a client cannot make a target look ill"
        assert not failure.retryable
    if failure.retryable:
        assert failure.source is Source.TARGET
    if failure.lesson is Lesson.TIMEOUT:
        assert failure.status == 504
