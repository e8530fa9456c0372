"""An explanation tells what was observed, and where everything comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.explanation import MISSES_SHOWN, VERSION, explain
from dbless_gateway.rehearsal.question import BadQuestion, ask
from dbless_gateway.rehearsal.rehearsal import Rehearsal
from tests.support.rehearsing import open_text

TEXT = """
services:
  - name: users
    url: http://users.internal:8080/api
    read_timeout: 1000
    retries: 1
    routes:
      - {name: users, hosts: [api.test], paths: [/users]}
      - {name: user, hosts: [api.test], paths: ['~/users/(?<id>\\d+)$']}
    plugins:
      - name: key-auth
      - {name: rate-limiting, config: {minute: 3, policy: local}}
  - name: all
    host: pool
    routes:
      - {name: all, paths: [/]}
      - {name: puts, methods: [PUT]}
      - {name: only-tls, paths: [/only-tls], protocols: [https]}
  - {name: cookies, host: cookies, routes: [{name: cookies, paths: [/cookies]}]}
  - {name: sticky, host: sticky, routes: [{name: sticky, paths: [/sticky]}]}
routes:
  - {name: nowhere, paths: [/nowhere]}
upstreams:
  - name: pool
    algorithm: consistent-hashing
    hash_on: header
    hash_on_header: x-user
    hash_fallback: query_arg
    hash_fallback_query_arg: user
    targets: [{target: a.internal:80}, {target: b.internal:80, weight: 5}]
  - name: cookies
    algorithm: consistent-hashing
    hash_on: cookie
    hash_on_cookie: seat
    targets: [{target: a.internal:80}]
  - name: sticky
    algorithm: sticky-sessions
    sticky_sessions_cookie: stay
    targets: [{target: a.internal:80}]
consumers:
  - username: alice
    keyauth_credentials: [{key: k1}]
    plugins: [{name: rate-limiting, config: {minute: 100, policy: local}}]
  - username: bob
    plugins: [{name: request-size-limiting}]
plugins:
  - name: correlation-id
  - {name: rate-limiting, config: {minute: 10, policy: local}}
"""


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[Rehearsal]:
    with open_text(TEXT) as rehearsal:
        yield rehearsal


@pytest.fixture(autouse=True)
def _forget(rehearsal: Rehearsal) -> None:
    rehearsal.forget()


def told(rehearsal: Rehearsal, url: str, *headers: tuple[str, str], method: str = "GET") -> dict[str, Any]:
    found = explain(rehearsal, ask(method, url, headers=headers))
    assert found == json.loads(json.dumps(found))
    assert found["version"] == VERSION
    return found


def links(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(link["name"], link["scope"]) for link in found["plugins"]["chain"]]


def test_winner_runners_up_and_misses(rehearsal: Rehearsal) -> None:
    found = told(rehearsal, "http://api.test/users/1")

    assert found["winner"]["route"]["name"] == "user"
    assert found["winner"]["route"]["at"] == "kong.yaml:10"
    assert found["winner"]["path"] == r"~/users/(?<id>\d+)$"
    assert [(other["route"]["name"], other["rule"]) for other in found["runners_up"]] == [
        ("users", "regex_path"),
        ("all", "kinds"),
    ]
    assert found["misses"][0]["route"]["name"] == "puts"
    assert found["misses"][0]["reason"] == "the method is GET, it takes PUT"
    assert found["misses_total"] == len(found["misses"]) == 5


def test_a_plugin_answers_and_the_way_behind_it_is_told(rehearsal: Rehearsal) -> None:
    found = told(rehearsal, "http://api.test/users/1")

    assert (found["answer"]["status"], found["answer"]["by"]) == (401, "key-auth")
    assert "No API key" in found["answer"]["body"]
    request = found["target_request"]
    assert request["if_plugins_let_it_pass"]
    assert (request["method"], request["url"]) == ("GET", "http://users.internal:8080/api")
    assert ["X-Forwarded-Prefix", "/users/1"] in request["headers"]
    assert found["timeouts_ms"] == {"connect": 60000, "write": 60000, "read": 1000}
    assert found["retries"] == 1
    assert found["service"]["url"] == "http://users.internal:8080/api"
    assert found["balancer"] == {
        "upstream": None,
        "algorithm": "round-robin",
        "targets": ["users.internal:8080"],
    }


def test_scopes_and_what_they_override(rehearsal: Rehearsal) -> None:
    found = told(rehearsal, "http://api.test/users/1")

    assert links(found) == [
        ("correlation-id", "global"),
        ("key-auth", "service users"),
        ("rate-limiting", "service users"),
    ]
    limit = found["plugins"]["chain"][2]
    assert [plugin["scope"] for plugin in limit["overrides"]] == ["global"]
    assert [plugin["scope"] for plugin in limit["instead_for"]] == ["consumer alice"]
    assert limit["phases"] == ["access"]
    assert found["plugins"]["consumer"] is None
    assert [plugin["scope"] for plugin in found["plugins"]["for_other_consumers"]] == ["consumer bob"]


def test_a_consumer_changes_what_runs_behind_the_authentication(rehearsal: Rehearsal) -> None:
    found = told(rehearsal, "http://api.test/users/1", ("apikey", "k1"))

    assert found["answer"] == {"status": 200, "by": "target", "body": None, "bugs": []}
    assert not found["target_request"]["if_plugins_let_it_pass"]
    assert found["plugins"]["consumer"] == {"name": "alice", "authenticated_by": "key-auth"}
    assert links(found)[2] == ("rate-limiting", "consumer alice")
    overridden = [plugin["scope"] for plugin in found["plugins"]["chain"][2]["overrides"]]
    assert overridden == ["service users", "global"]


@pytest.mark.parametrize(
    ("url", "headers", "value"),
    [
        ("/", (("x-user", "u1"),), "u1"),
        ("/?user=u2", (), "u2"),
        ("/", (), ""),
    ],
)
def test_the_hash_key(
    rehearsal: Rehearsal, url: str, headers: tuple[tuple[str, str], ...], value: str
) -> None:
    balancer = told(rehearsal, url, *headers)["balancer"]

    assert (balancer["algorithm"], balancer["upstream"]["name"]) == ("consistent-hashing", "pool")
    assert (balancer["hash_on"], balancer["hash_fallback"]) == ("header x-user", "query_arg user")
    assert balancer["hash_value"] == value
    assert balancer["sets_cookie"] is None
    assert balancer["targets"] == ["a.internal:80 (weight 100)", "b.internal:80 (weight 5)"]


@pytest.mark.parametrize(("path", "cookie"), [("/cookies", "seat"), ("/sticky", "stay")])
def test_a_cookie_that_is_set(rehearsal: Rehearsal, path: str, cookie: str) -> None:
    balancer = told(rehearsal, path)["balancer"]

    assert balancer["hash_on"] == f"cookie {cookie}"
    assert (balancer["hash_value"], balancer["sets_cookie"]) == (None, cookie)


@pytest.mark.parametrize(
    ("url", "status", "winner"),
    [("/nowhere", 503, "nowhere"), ("http://a.test/only-tls", 426, "only-tls"), ("/%zz", 400, None)],
)
def test_the_gateway_itself_answers(rehearsal: Rehearsal, url: str, status: int, winner: str | None) -> None:
    found = told(rehearsal, url)

    assert (found["answer"]["status"], found["answer"]["by"]) == (status, "gateway")
    assert found["target_request"] is None
    assert (found["winner"]["route"]["name"] if found["winner"] else None) == winner


def test_no_route(rehearsal: Rehearsal) -> None:
    with open_text("routes: [{name: a, hosts: [a.test]}]\n") as alone:
        found = told(alone, "http://b.test/")

    assert found["winner"] is None
    assert found["plugins"] is None
    assert (found["answer"]["status"], found["answer"]["by"]) == (404, "gateway")


def test_misses_are_bounded_unless_all_are_wanted() -> None:
    routes = "".join(f"  - {{name: r{number}, paths: [/r{number}/]}}\n" for number in range(MISSES_SHOWN + 5))
    with open_text(f"routes:\n{routes}") as many:
        some = explain(many, ask("GET", "/"))
        everything = explain(many, ask("GET", "/"), all_misses=True)

    assert len(some["misses"]) == MISSES_SHOWN
    assert some["misses_total"] == len(everything["misses"]) == MISSES_SHOWN + 5


def test_the_closest_misses_come_first() -> None:
    routes = (
        "[{name: a, hosts: [a.test]}, {name: b, hosts: [b.test], paths: [/b]}, {name: c, methods: [PUT]}]"
    )
    with open_text(f"routes: {routes}\n") as few:
        found = explain(few, ask("GET", "http://b.test/"))

    assert [miss["route"]["name"] for miss in found["misses"]] == ["c", "b", "a"]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(target=st.text(max_size=40), host=st.text(st.characters(codec="ascii"), max_size=10))
def test_whatever_is_asked_is_explained(rehearsal: Rehearsal, target: str, host: str) -> None:
    try:
        question = ask("GET", "/" + target, headers=(("Host", host),))
    except BadQuestion:
        return
    assert explain(rehearsal, question)["answer"]["status"] >= 200


def test_trusted_proxies_are_believed() -> None:
    options = ProxyOptions(trusted_ips=(ip_network("10.0.0.0/8"),), router_flavor="traditional")
    with open_text("services: [{name: s, host: h, routes: [{name: a, paths: [/]}]}]\n", options) as trusting:
        found = explain(
            trusting, ask("GET", "/", headers=(("X-Real-IP", "192.0.2.9"),), client_ip="10.1.1.1")
        )

    assert found["request"]["client_ip"] == "192.0.2.9"
    assert found["router_flavor"] == "traditional"
    assert ["X-Forwarded-For", "10.1.1.1"] in found["target_request"]["headers"]
