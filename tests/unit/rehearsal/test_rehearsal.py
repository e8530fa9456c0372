"""The real gateway without a network: what it sends, what it answers, and what stays inside."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from dbless_gateway.rehearsal.question import ask
from dbless_gateway.rehearsal.rehearsal import Rehearsal, rehearse
from dbless_gateway.rehearsal.targets import TargetAnswer
from tests.support.rehearsing import HEAD, open_text

TEXT = """
services:
  - name: one
    url: http://one.internal:8080/api
    routes:
      - {name: one, paths: [/one]}
      - {name: kept, paths: [/kept], preserve_host: true}
      - {name: streamed, paths: [/streamed], request_buffering: false}
  - {name: address, url: "http://10.9.9.9", routes: [{name: address, paths: [/address]}]}
  - {name: tls, url: "https://tls.internal", routes: [{name: tls, paths: [/tls]}]}
  - {name: pool, host: pool, routes: [{name: pool, paths: [/pool]}]}
  - {name: empty, host: empty, routes: [{name: empty, paths: [/empty]}]}
  - name: limited
    host: one.internal
    routes: [{name: limited, paths: [/limited]}]
    plugins: [{name: rate-limiting, config: {minute: 2, policy: local}}]
  - name: redis
    host: one.internal
    routes: [{name: redis, paths: [/redis]}]
    plugins:
      - name: rate-limiting
        config: {minute: 2, policy: redis, fault_tolerant: false, redis: {host: 127.0.0.1}}
routes:
  - {name: nowhere, paths: [/nowhere]}
  - {name: only-tls, paths: [/only-tls], protocols: [https]}
upstreams:
  - name: pool
    algorithm: consistent-hashing
    hash_on: ip
    targets: [{target: "a.internal:80"}, {target: "[2001:db8::1]:81"}]
  - {name: empty}
"""


@pytest.fixture(scope="module")
def _opened() -> Iterator[Rehearsal]:
    with open_text(TEXT) as rehearsal:
        yield rehearsal


@pytest.fixture
def rehearsal(_opened: Rehearsal) -> Rehearsal:
    _opened.forget()
    return _opened


@pytest.mark.parametrize(
    ("url", "asked", "host"),
    [
        ("http://c.test/one/x?y=%20", "http://one.internal:8080/api/x?y=%20", "one.internal:8080"),
        ("http://c.test:81/kept", "http://one.internal:8080/api", "c.test:81"),
        ("/address", "http://10.9.9.9:80/", "10.9.9.9"),
        ("/tls", "https://tls.internal:443/", "tls.internal"),
    ],
)
def test_what_the_target_sees(rehearsal: Rehearsal, url: str, asked: str, host: str) -> None:
    outcome = rehearsal.send(ask("GET", url))

    assert outcome.status == 200
    assert outcome.target_request is not None
    assert outcome.target_request.url == asked
    assert outcome.target_request.header("host") == host


def test_the_name_that_tls_asks_the_target_for(rehearsal: Rehearsal) -> None:
    request = rehearsal.send(ask("GET", "/tls")).target_request

    assert request is not None
    assert request.server_name == "tls.internal"


def test_client_address_and_scheme_are_told_to_the_target(rehearsal: Rehearsal) -> None:
    request = rehearsal.send(ask("GET", "https://c.test/one", client_ip="192.0.2.7")).target_request

    assert request is not None
    assert request.header("x-forwarded-for") == "192.0.2.7"
    assert request.header("x-forwarded-proto") == "https"
    assert request.header("x-forwarded-port") == "443"
    assert request.header("x-forwarded-host") == "c.test"
    assert request.header("x-no-such") is None


@pytest.mark.parametrize("path", ["/one", "/streamed"])
@pytest.mark.parametrize("chunked", [True, False])
def test_bodies_reach_the_target(rehearsal: Rehearsal, path: str, chunked: bool) -> None:
    headers = (("Transfer-Encoding", "chunked"),) if chunked else ()
    body = b"5\r\nhello\r\n0\r\n\r\n" if chunked else b"hello"
    answer = TargetAnswer(201, (("X-Made", "1"),), b"made")

    outcome = rehearsal.send(ask("POST", path, headers=headers, body=body), answer)

    assert outcome.target_request is not None
    assert outcome.target_request.body == b"hello"
    assert (outcome.status, outcome.header("x-made"), outcome.body) == (201, "1", b"made")


@pytest.mark.parametrize("status", [204, 304, 299, 500])
def test_any_answer_of_the_target(rehearsal: Rehearsal, status: int) -> None:
    assert rehearsal.send(ask("GET", "/one"), TargetAnswer(status)).status == status


def test_head_has_no_body(rehearsal: Rehearsal) -> None:
    outcome = rehearsal.send(ask("HEAD", "/one"), TargetAnswer(body=b"hello"))

    assert (outcome.body, outcome.header("content-length")) == (b"", "5")


def test_an_upgrade_is_answered_without_one(rehearsal: Rehearsal) -> None:
    headers = (("Connection", "Upgrade"), ("Upgrade", "websocket"))

    outcome = rehearsal.send(ask("GET", "/one", headers=headers), TargetAnswer(400))

    assert outcome.status == 400
    assert outcome.target_request is not None
    assert outcome.target_request.header("upgrade") == "websocket"


@pytest.mark.parametrize(
    ("url", "status", "failure"),
    [
        ("/nowhere", 503, "no service"),
        ("/empty", 503, "no peer"),
        ("/none-at-all", 404, None),
        ("http://c.test/only-tls", 426, None),
        ("/one%zz", 400, None),
    ],
)
def test_the_gateways_own_answers(rehearsal: Rehearsal, url: str, status: int, failure: str | None) -> None:
    outcome = rehearsal.send(ask("GET", url))

    assert outcome.status == status
    assert (outcome.failure.name if outcome.failure else None) == failure
    assert outcome.target_request is None


def test_bytes_that_are_no_request(rehearsal: Rehearsal) -> None:
    outcome = rehearsal.send(ask("GET", "/one", headers=(("Content-Length", "x"),)))

    assert outcome.status == 400
    assert outcome.exchange is None
    assert outcome.route is None


def test_a_target_that_cannot_be_reached(rehearsal: Rehearsal) -> None:
    rehearsal.send(ask("GET", "/one"))

    outcome = rehearsal.send(ask("GET", "/one"), TargetAnswer(refuses=True))

    assert outcome.status == 502
    assert outcome.exchange is not None
    assert len(outcome.exchange.tried) == 6


def test_targets_are_told_apart_by_address(rehearsal: Rehearsal) -> None:
    clients = [f"192.0.2.{number}" for number in range(20)]
    requests = [rehearsal.send(ask("GET", "/pool", client_ip=ip)).target_request for ip in clients]

    assert {r.address for r in requests if r is not None} == {"a.internal:80", "[2001:db8::1]:81"}


def test_counts_stay_until_they_are_forgotten(rehearsal: Rehearsal) -> None:
    question = ask("GET", "/limited")

    assert [rehearsal.send(question).status for _ in range(3)] == [200, 200, 429]
    rehearsal.forget()
    assert rehearsal.send(question).status == 200


def test_time_stands_still(rehearsal: Rehearsal) -> None:
    rehearsal.forget(1_700_000_005.0)

    assert rehearsal.send(ask("GET", "/limited")).header("ratelimit-reset") == "35"


def test_plugins_have_no_network(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(*_: Any) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", connected)
    monkeypatch.setattr(socket.socket, "connect_ex", connected)

    assert rehearsal.send(ask("GET", "/redis")).status == 500


def test_past_the_plugins(rehearsal: Rehearsal) -> None:
    question = ask("GET", "/limited")
    route = rehearsal.send(question).route
    assert route is not None

    past = [rehearsal.send_without_plugins(question, route) for _ in range(4)]

    assert [outcome.status for outcome in past] == [200] * 4
    assert past[0].header("ratelimit-limit") is None
    assert rehearsal.send(question).header("ratelimit-remaining") == "0"


def test_a_plugin_that_logs_to_a_file_is_silent(tmp_path: Path) -> None:
    file = tmp_path / "log"
    text = f"plugins: [{{name: file-log, config: {{path: {file}}}}}]\n{TEXT}"
    with open_text(text) as rehearsal:
        assert rehearsal.send(ask("GET", "/one")).bugs == ()

    assert not file.exists()


def test_plugins_that_this_version_does_not_run_are_left_out() -> None:
    text = "routes: [{name: a, paths: [/]}]\nplugins: [{name: ldap-auth, config: "
    text += "{ldap_host: h, ldap_port: 389, base_dn: d, attribute: cn}}]\n"
    with open_text(text) as rehearsal:
        assert [plugin.name for plugin in rehearsal.left_out] == ["ldap-auth"]
        assert rehearsal.send(ask("GET", "/")).status == 503


def test_what_does_not_compile() -> None:
    loaded = load([Source("kong.yaml", HEAD + "routes: [{name: a, paths: [/]}]\n")], LoadOptions(environ={}))
    assert loaded.entities is not None
    routes = tuple(replace(route, paths=("~(",)) for route in loaded.entities.routes)

    made = rehearse(replace(loaded.entities, routes=routes))

    assert isinstance(made, list)
    assert [problem.code for problem in made] == ["schema/regex"]
