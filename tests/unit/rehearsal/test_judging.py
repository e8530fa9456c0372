"""Expectations that hold, and how those that do not are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbless_gateway.config.load import LoadOptions
from dbless_gateway.config.source import Source
from dbless_gateway.rehearsal.cases import Case, read_cases
from dbless_gateway.rehearsal.coverage import coverage_of
from dbless_gateway.rehearsal.judging import Verdict, play
from dbless_gateway.rehearsal.rehearsal import Rehearsal
from tests.support.rehearsing import open_text

TEXT = """
services:
  - name: users
    url: http://users.internal:8080/api
    routes:
      - {name: users, paths: [/users]}
      - {name: user, paths: ['~/users/(?<id>\\d+)$']}
    plugins:
      - name: key-auth
      - {name: rate-limiting, config: {minute: 2, policy: local}}
  - name: "off"
    host: off.internal
    enabled: false
    routes: [{name: "off", paths: [/off]}]
routes:
  - {name: nowhere, paths: [/nowhere]}
consumers:
  - {username: alice, custom_id: "1", keyauth_credentials: [{key: k1}]}
plugins:
  - {name: correlation-id, enabled: false}
"""
WITH_KEY = "{url: '/users?x=1', method: POST, body: hello, headers: {apikey: k1}}"


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[Rehearsal]:
    with open_text(TEXT) as rehearsal:
        yield rehearsal


def case_of(request: str, expect: str, more: str = "") -> Case:
    text = f"tests:\n- name: a\n  request: {request}\n  expect: {expect}\n{more}"
    cases, problems = read_cases([Source("tests.yaml", text)], LoadOptions(environ={}))
    assert problems == []
    return cases[0]


def judged(rehearsal: Rehearsal, request: str, expect: str, more: str = "") -> Verdict:
    return play(rehearsal, case_of(request, expect, more))


@pytest.mark.parametrize(
    ("request_text", "expect"),
    [
        ("GET /users/1", "{route: user, service: users, status: 401, answered_by: key-auth, target: null}"),
        ("GET /users/1", "{consumer: null, plugins: [key-auth, rate-limiting], body: '~No API key'}"),
        (WITH_KEY, "{consumer: alice, status: 200, answered_by: target}"),
        (WITH_KEY, "{consumer: '1', headers: {x-ratelimit-limit-minute: 2, x-no-such: null}}"),
        (
            WITH_KEY,
            "{target: {method: POST, path: /api, query: x=1, body: hello, host: 'users.internal:8080'}}",
        ),
        (
            WITH_KEY,
            "{target: {url: 'http://users.internal:8080/api?x=1', path: '~^/a', headers: {Via: ~kong}}}",
        ),
        ("{url: /users, headers: {apikey: k1}}", "{target: {query: null}}"),
        ("GET /nowhere", "{route: nowhere, service: null, status: 503, answered_by: gateway, plugins: []}"),
        ("GET /", "{route: null, service: null, status: 404, answered_by: gateway, plugins: []}"),
    ],
)
def test_what_holds(rehearsal: Rehearsal, request_text: str, expect: str) -> None:
    verdict = judged(rehearsal, request_text, expect)

    assert [difference.sentence() for difference in verdict.differences] == []
    assert verdict.passed


@pytest.mark.parametrize(
    ("request_text", "expect", "sentence"),
    [
        (
            "GET /users/1",
            "{route: users}",
            "route: expected 'users', but it is 'user' (regex paths go before prefix paths)",
        ),
        (
            "GET /",
            "{route: users}",
            "route: expected 'users', but it is none (the path is /, it takes /users)",
        ),
        ("GET /", "{route: x}", "route: expected 'x', but it is none (there is no such route)"),
        ("GET /nowhere", "{route: null}", "route: expected none, but it is 'nowhere'"),
        ("GET /nowhere", "{service: users}", "service: expected 'users', but it is none"),
        ("GET /users", "{service: null}", "service: expected none, but it is 'users'"),
        (WITH_KEY, "{consumer: bob}", "consumer: expected 'bob', but it is 'alice'"),
        ("GET /users", "{status: 200}", "status: expected 200, but it is 401"),
        ("GET /users", "{plugins: []}", "plugins: expected none, but it is key-auth, rate-limiting"),
        ("GET /users", "{answered_by: target}", "answered_by: expected 'target', but it is 'key-auth'"),
        (WITH_KEY, "{body: '~x'}", "body: expected '~x', but it is ''"),
        (WITH_KEY, "{headers: {x-a: 1}}", "header x-a: expected '1', but it is none"),
        (WITH_KEY, "{headers: {via: null}}", "header via: expected none, but it is '1.1 kong/3.9.1'"),
        ("GET /users", "{target: {path: /}}", "target: expected a request, but it is none"),
        (
            WITH_KEY,
            "{target: null}",
            "target: expected none, but it is POST http://users.internal:8080/api?x=1",
        ),
        (WITH_KEY, "{target: {path: /x}}", "target path: expected '/x', but it is '/api'"),
        (WITH_KEY, "{target: {headers: {x-a: '1'}}}", "target header x-a: expected '1', but it is none"),
    ],
)
def test_what_does_not_hold(rehearsal: Rehearsal, request_text: str, expect: str, sentence: str) -> None:
    verdict = judged(rehearsal, request_text, expect)

    assert [difference.sentence() for difference in verdict.differences] == [sentence]
    assert [difference.line for difference in verdict.differences] == [4]
    assert not verdict.passed


def test_a_limit_is_reached_in_one_case_and_forgotten_in_the_next(rehearsal: Rehearsal) -> None:
    for _ in range(2):
        assert judged(rehearsal, WITH_KEY, "{status: 429}", "  times: 3\n").passed
        assert judged(rehearsal, WITH_KEY, "{status: 200}", "  times: 2\n").passed


def test_the_moment_is_that_of_the_case(rehearsal: Rehearsal) -> None:
    more = "  at: 2026-01-31T12:00:50Z\n"

    assert judged(rehearsal, WITH_KEY, "{headers: {ratelimit-reset: 10}}", more).passed


def test_what_the_target_answers(rehearsal: Rehearsal) -> None:
    more = "  target_answers: {refuses: true}\n"

    assert judged(rehearsal, WITH_KEY, "{status: 502, answered_by: gateway, target: null}", more).passed


def test_coverage(rehearsal: Rehearsal) -> None:
    refused = judged(rehearsal, "GET /users/1", "{status: 401}")
    nothing = judged(rehearsal, "GET /", "{status: 404}")

    some = coverage_of([refused, nothing], rehearsal)
    assert (some.routes, [route.name for route in some.missed_routes]) == (3, ["users", "nowhere"])
    assert (some.plugins, [plugin.name for plugin in some.missed_plugins]) == (2, ["rate-limiting"])
    assert not some.is_full

    more = [judged(rehearsal, WITH_KEY, "{status: 200}"), judged(rehearsal, "GET /nowhere", "{status: 503}")]
    assert coverage_of([refused, *more], rehearsal).is_full
