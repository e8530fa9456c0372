"""dbless-gateway explain: what is asked decides what is told; requests in words, as JSON, and live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from dbless_gateway.cli.main import main

TEXT = """_format_version: "3.0"
services:
  - name: users
    url: http://users.internal:8080/api
    routes:
      - {name: users, paths: [/users]}
      - {name: user, paths: ['~/users/\\d+$']}
    plugins:
      - {name: key-auth}
      - {name: request-transformer, config: {add: {headers: ['x-token:${{ env "DECK_TOKEN" }}']}}}
  - {name: all, host: pool, routes: [{name: all, paths: [/]}, {name: puts, methods: [PUT]}]}
upstreams:
  - name: pool
    algorithm: consistent-hashing
    hash_on: header
    hash_on_header: x-user
    hash_fallback: ip
    targets: [{target: a.internal:80}]
consumers:
  - username: alice
    keyauth_credentials: [{key: k1}]
    plugins: [{name: correlation-id}]
plugins:
  - {name: correlation-id}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DECK_TOKEN", "hunter-2")
    Path("kong.yaml").write_text(TEXT)
    return "kong.yaml"


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["explain", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def test_a_code_is_told_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "schema/type").startswith("error[schema/type]")
    assert "schema/type" in told(capsys)


def test_help_names_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["explain", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "explain METHOD URL" in out
    assert "explain [CODE]" in out


def test_a_target_that_is_refused(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "GET", "/a/../../b", "-c", file)

    assert "  host localhost, a path that is refused, client 127.0.0.1" in text.splitlines()
    assert "It is answered with 400 by the gateway itself." in text.splitlines()


def test_an_expression_is_told_like_a_path(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(file).write_text(
        """_format_version: "3.0"
routes:
  - {name: a, expression: 'http.path ^= "/a"', priority: 2}
  - {name: b, expression: 'http.method == "GET"', priority: 1}
"""
    )
    text = told(capsys, "GET", "/a", "-c", file, "--router-flavor", "expressions")

    assert '  a  http.path ^= "/a"  kong.yaml:3' in text.splitlines()
    assert '  b  http.method == "GET"  kong.yaml:4  its priority is 1, the winner\'s 2' in text.splitlines()


def test_a_request_in_words(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "GET", "/users/1", "-c", file)

    for line in (
        "GET http://localhost/users/1",
        r"  user  ~/users/\d+$  kong.yaml:7",
        "  users  /users  kong.yaml:6   regex paths go before prefix paths",
        "  puts  kong.yaml:11  the method is GET, it takes PUT",
        "It is answered with 401 by the plugin key-auth.",
        "What the target sees, if all plugins let it pass and change nothing",
        "  GET http://users.internal:8080/api",
        "  X-Forwarded-Path: /users/1",
        "  timeouts  connect 60000 ms, write 60000 ms, read 60000 ms",
        "  retries   5",
        "  balancer  round-robin over the addresses of the host",
    ):
        assert line in text.splitlines(), text
    assert "gives way to consumer alice (kong.yaml:22)" in text


def test_a_consumer_and_what_changes_with_it(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "GET", "/users/1", "-H", "apikey: k1", "-c", file)

    assert "It reaches the target." in text
    assert "The consumer is alice, says key-auth." in text
    assert "X-Consumer-Username: alice" in text


def test_secrets_of_the_environment_are_hidden(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "GET", "/users/1", "-H", "apikey: k1", "-c", file)

    assert "hunter" not in text
    assert "x-token: ***" in text


def test_a_hash_key(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "GET", "http://a.test/", "--client-ip", "192.0.2.9", "-c", file)

    assert "hash key  header x-user, else ip: 192.0.2.9" in text
    assert "consistent-hashing, upstream pool, kong.yaml:13" in text


def test_no_route(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "GET", "/%zz", "-c", file)

    assert "No route takes it." in text
    assert "answered with 400 by the gateway itself" in text


def test_json_and_all(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open(file, "a") as config:
        config.write("routes:\n" + "".join(f"  - {{name: r{n}, paths: [/r{n}/]}}\n" for n in range(20)))

    bounded = told(capsys, "GET", "/", "-c", file)
    found = json.loads(told(capsys, "GET", "/", "--sni", "s.test", "--all", "--json", "-c", file))

    assert "(--all shows them)" in bounded
    assert len(found["misses"]) == found["misses_total"] == 23
    assert found["request"]["sni"] == "s.test"


def test_the_environment_decides_as_for_start(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KONG_TRUSTED_IPS", "127.0.0.1")
    arguments = (
        "GET",
        "/",
        "-H",
        "X-Real-IP: 192.0.2.5",
        "--router-flavor",
        "traditional",
        "--json",
        "-c",
        file,
    )

    found = json.loads(told(capsys, *arguments))

    assert found["request"]["client_ip"] == "192.0.2.5"
    assert found["router_flavor"] == "traditional"


@pytest.mark.parametrize(
    "arguments",
    [
        ("GET", "/"),
        ("GET", "/", "-c", "kong.yaml", "--live"),
        ("GET", "x", "-c", "kong.yaml"),
        ("GET", "/", "-c", "kong.yaml", "-H", "no colon"),
    ],
)
def test_wrong_usage(file: str, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["explain", *arguments])
    assert stop.value.code == 2


def test_wrong_settings(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONG_TRUSTED_IPS", "nobody")
    with pytest.raises(SystemExit) as stop:
        main(["explain", "GET", "/", "-c", file])
    assert stop.value.code == 2


def test_a_configuration_with_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("services: []\n")

    assert "error[schema/required]" in told(capsys, "GET", "/", "-c", str(file), code=1)


class Admin(BaseHTTPRequestHandler):
    """A running gateway's Admin API, as far as explaining goes."""

    asked: ClassVar[list[str]] = []
    answer: ClassVar[tuple[int, Any]] = (404, {"message": "Not found"})

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, body = self.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def running(answer: tuple[int, Any]) -> Iterator[str]:
    Admin.answer = answer
    Admin.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Admin) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_live(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(told(capsys, "GET", "/users/1", "--json", "-c", file))
    arguments = ["GET", "/users/1", "-H", "a: 1", "-H", "b: 2", "--sni", "s", "--all", "--live"]

    with running((200, document)) as url:
        text = told(capsys, *arguments, "--admin", url)

    assert "What the target sees" in text
    asked = urlsplit(Admin.asked[0])
    assert asked.path == "/explain"
    assert parse_qs(asked.query) == {
        "method": ["GET"],
        "url": ["/users/1"],
        "client_ip": ["127.0.0.1"],
        "headers": ["a: 1\nb: 2"],
        "sni": ["s"],
        "all": ["true"],
    }


def test_live_without_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with running((404, {"message": "Not found"})) as url:
        assert "Not found" in told(capsys, "GET", "/", "--live", "--admin", url, code=1)
    assert "no gateway answers" in told(capsys, "GET", "/", "--live", "--admin", url, code=4)
