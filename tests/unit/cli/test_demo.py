"""The demo targets: who answers, what was asked, and what the example's cache may keep."""

from __future__ import annotations

import json

import pytest

from dbless_gateway.cli import demo
from tests.support.client import Client, fetch


def test_target_tells_who_it_is_and_what_it_was_asked() -> None:
    with demo.serve_target(0) as port:
        response = fetch(port, "/path?query=1", method="POST", headers=[("X-Mine", "1")], body=b"text")

    told = json.loads(response.body)
    assert told["target"] == f"127.0.0.1:{port}"
    assert (told["method"], told["path"], told["body"]) == ("POST", "/path?query=1", "text")
    assert told["headers"]["X-Mine"] == "1"


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/hello", "application/json"), ("/cacheable?x=1", "application/json; charset=utf-8")],
)
def test_content_type_decides_what_is_cached(path: str, content_type: str) -> None:
    with demo.serve_target(0) as port:
        assert fetch(port, path).get("Content-Type") == content_type


def test_connections_are_kept_whatever_the_method() -> None:
    with demo.serve_target(0) as port, Client(port) as client:
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "GET"):
            assert client.request(method).status == 200


def test_body_of_unknown_length_ends_the_connection() -> None:
    with demo.serve_target(0) as port, Client(port) as client:
        response = client.request("POST", headers=[("Transfer-Encoding", "chunked")])
        assert response.status == 200
        assert client.is_closed_by_peer()


def test_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with demo.serve_target(0) as port:
        assert demo.main(["--target-port", str(port)]) == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err
