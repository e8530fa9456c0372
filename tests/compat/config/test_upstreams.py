"""Upstreams, targets and health checks: what Kong's entity schemas accept and refuse."""

# One case is one row, however long.
# ruff: noqa: E501

from __future__ import annotations

import pytest

from dbless_gateway.config.entities import Retry
from tests.compat.config.cases import Rejected, accept, reject


def _upstream(body: str) -> str:
    return f"upstreams:\n- name: u\n  {body}\n"


def _checks(body: str) -> str:
    return _upstream(f"healthchecks: {body}")


REFUSED = [
    Rejected("schema/required", "required field missing", "upstreams: [§{}]\n"),
    Rejected("schema/format", "Invalid name ('1.2.3.4'); no ip addresses allowed", "upstreams: [{name: §1.2.3.4}]\n"),
    Rejected("schema/format", "Invalid name ('a:80'); no port allowed", "upstreams: [{name: §'a:80'}]\n"),
    Rejected("schema/format", "Invalid name ('a b'); must be a valid hostname", "upstreams: [{name: §a b}]\n"),
    Rejected("unique/value", "with name set to 'u'", "upstreams: [{name: u}, {name: §u}]\n"),
    Rejected("schema/enum", "expected one of: consistent-hashing, least-connections, round-robin", _upstream("algorithm: §random")),
    Rejected("schema/enum", "expected one of: none, consumer, ip, header", _upstream("hash_on: §x")),
    Rejected("schema/enum", "expected one of: none, consumer, ip, header", _upstream("hash_on: ip\n  hash_fallback: §x")),
    Rejected("schema/required", "required field missing", "upstreams:\n- §name: u\n  hash_on: header\n"),
    Rejected("schema/required", "required field missing", "upstreams:\n- §name: u\n  hash_on: cookie\n"),
    Rejected("schema/required", "required field missing", "upstreams:\n- §name: u\n  hash_on: query_arg\n"),
    Rejected("schema/required", "required field missing", "upstreams:\n- §name: u\n  hash_on: uri_capture\n"),
    Rejected("schema/required", "required field missing", "upstreams:\n- §name: u\n  hash_on: ip\n  hash_fallback: header\n"),
    Rejected("schema/required", "required field missing", "upstreams:\n- §name: u\n  hash_on: ip\n  hash_fallback: query_arg\n"),
    Rejected("rule/conditional", "expected one of: none", _upstream("hash_fallback: §ip")),
    Rejected("rule/conditional", "expected one of: none", _upstream("hash_on: cookie\n  hash_on_cookie: c\n  hash_fallback: §ip")),
    Rejected("rule/conditional", "expected one of: none, consumer, header", _upstream("hash_on: ip\n  hash_fallback: §ip")),
    Rejected("rule/conditional", "expected one of: none, ip, header", _upstream("hash_on: consumer\n  hash_fallback: §consumer")),
    Rejected("rule/distinct", "values of these fields must be distinct: 'hash_on_header', 'hash_fallback_header'", _upstream("hash_on: header\n  hash_on_header: a\n  hash_fallback: header\n  hash_fallback_header: §a")),
    Rejected("rule/distinct", "'hash_on_query_arg', 'hash_fallback_query_arg'", _upstream("hash_on: query_arg\n  hash_on_query_arg: a\n  hash_fallback: query_arg\n  hash_fallback_query_arg: §a")),
    Rejected("schema/format", "bad header name 'a b'", _upstream("hash_on: header\n  hash_on_header: §a b")),
    Rejected("schema/format", "contains one or more invalid characters", _upstream("hash_on: cookie\n  hash_on_cookie: §a=b")),
    Rejected("schema/format", "should start with: /", _upstream("hash_on: cookie\n  hash_on_cookie: a\n  hash_on_cookie_path: §x")),
    Rejected("schema/length", "length must be at least 1", _upstream("hash_on: query_arg\n  hash_on_query_arg: §''")),
    Rejected("schema/range", "value should be between 10 and 65536", _upstream("slots: §9")),
    Rejected("schema/range", "value should be between 10 and 65536", _upstream("slots: §65537")),
    Rejected("schema/format", "invalid hostname: a b", _upstream("host_header: §a b")),
    Rejected("schema/type", "expected a boolean", _upstream("use_srv_name: §x")),
    Rejected("reference/missing", "no such entry in 'certificates'", _upstream("client_certificate: §7a267194-6123-5ee0-a1c9-4c1559eb0d95")),
    Rejected("schema/unknown-field", "unknown field", _upstream("§weight: 5")),
    # Health checks.
    Rejected("schema/type", "expected a record", _checks("§on")),
    Rejected("schema/range", "value should be between 0 and 100", _checks("{threshold: §101}")),
    Rejected("schema/enum", "expected one of: tcp, http, https, grpc, grpcs", _checks("{active: {type: §udp}}")),
    Rejected("schema/range", "value should be between 0 and 65535", _checks("{active: {timeout: §-1}}")),
    Rejected("schema/range", "value should be between 1 and 2147483648", _checks("{active: {concurrency: §0}}")),
    Rejected("schema/format", "should start with: /", _checks("{active: {http_path: §x}}")),
    Rejected("schema/format", "must not be an IP", _checks("{active: {https_sni: §1.2.3.4}}")),
    Rejected("schema/type", "expected a boolean", _checks("{active: {https_verify_certificate: §x}}")),
    Rejected("schema/type", "expected an array", _checks("{active: {headers: {a: §b}}}")),
    Rejected("schema/range", "value should be between 0 and 65535", _checks("{active: {healthy: {interval: §65536}}}")),
    Rejected("schema/range", "value should be between 0 and 255", _checks("{active: {healthy: {successes: §256}}}")),
    Rejected("schema/range", "value should be between 100 and 999", _checks("{active: {healthy: {http_statuses: [200, §99]}}}")),
    Rejected("schema/type", "expected an integer", _checks("{active: {unhealthy: {http_statuses: [§'500']}}}")),
    Rejected("schema/range", "value should be between 0 and 255", _checks("{active: {unhealthy: {timeouts: §300}}}")),
    Rejected("schema/range", "value should be between 0 and 255", _checks("{active: {unhealthy: {tcp_failures: §-1}}}")),
    Rejected("schema/range", "value should be between 0 and 255", _checks("{passive: {unhealthy: {http_failures: §999}}}")),
    Rejected("schema/enum", "expected one of: tcp, http", _checks("{passive: {type: §x}}")),
    Rejected("schema/unknown-field", "unknown field", _checks("{passive: {§interval: 5}}")),
    Rejected("schema/unknown-field", "unknown field", _checks("{active: {healthy: {§timeouts: 5}}}")),
    Rejected("schema/range", "value should be between 0 and 100", _upstream("x_resilience: {panic_threshold: §101}")),
    Rejected("schema/unknown-field", "unknown field", _upstream("x_resilience: {§slowstart: 5}")),
    Rejected(
        "schema/range",
        "value should be between 400 and 599",
        _upstream("x_resilience: {retry: {statuses: [§200]}}"),
    ),
    # Targets.
    Rejected("schema/required", "required field missing", _upstream("targets: [§{}]")),
    Rejected("schema/format", "Invalid target ('hostname:1.0'); not a valid hostname or ip address", _upstream("targets: [{target: §'hostname:1.0'}]")),
    Rejected("schema/format", "Invalid target ('a b')", _upstream("targets: [{target: §a b}]")),
    Rejected("schema/format", "Invalid target ('1.2.3.256:80')", _upstream("targets: [{target: §'1.2.3.256:80'}]")),
    Rejected("schema/format", "Invalid target ('[::1:80')", _upstream("targets: [{target: §'[::1:80'}]")),
    Rejected("schema/format", "Invalid target ('a:99999')", _upstream("targets: [{target: §'a:99999'}]")),
    Rejected("schema/type", "expected a string", _upstream("targets: [{target: §12:30}]")),
    Rejected("schema/range", "value should be between 0 and 65535", _upstream("targets: [{target: a, weight: §65536}]")),
    Rejected("schema/range", "value should be between 0 and 65535", _upstream("targets: [{target: a, weight: §-1}]")),
    Rejected("schema/type", "expected an integer", _upstream("targets: [{target: a, weight: §1.5}]")),
    Rejected("unique/id", "'targets' entity with primary key set to", _upstream("targets: [{target: 'a:1'}, §{target: 'a:1'}]")),
    Rejected("schema/required", "required field missing", "targets:\n- §target: a\n"),
    Rejected("reference/missing", "no such entry in 'upstreams'", "targets: [{target: a, upstream: §u}]\n"),
    Rejected("schema/unknown-field", "unknown field", _upstream("targets: [{target: a, §port: 80}]")),
]  # fmt: skip

ACCEPTED = [
    "name: a_b.c-1",
    "name: a\n  algorithm: latency",
    "name: a\n  hash_on: header\n  hash_on_header: x\n  hash_fallback: ip",
    "name: a\n  hash_on: path\n  hash_fallback: query_arg\n  hash_fallback_query_arg: x",
    "name: a\n  hash_on: header\n  hash_on_header: x\n  hash_fallback: cookie\n  hash_on_cookie: c",
    "name: a\n  slots: 10",
    "name: a\n  host_header: example.com:81",
    "name: a\n  healthchecks: {}",
    "name: a\n  healthchecks: {threshold: 50.5, active: {type: tcp, headers: {x: [a, b]}}}",
    "name: a\n  healthchecks: {active: {healthy: {interval: 0.5, http_statuses: [200]}}}",
    "name: a\n  healthchecks: {passive: {unhealthy: {http_statuses: []}}}",
    "name: a\n  targets: [{target: a}, {target: 'a:81'}, {target: 1.2.3.4, weight: 0}]",
    "name: a\n  targets: [{target: '::1'}, {target: '[::2]:80'}, {target: '[::3]'}]",
    "name: a\n  x_resilience: {slow_start: 30, panic_threshold: 50, trial_interval: 10}",
    "name: a\n  targets: [{target: a, created_at: 1700000000.123}]",
    "name: a\n  x_resilience: {retry: {statuses: [502], methods: [GET], try_timeout: 1, budget: 20}}",
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.message[:40])
def test_refused(case: Rejected) -> None:
    reject(case)


@pytest.mark.parametrize("body", ACCEPTED)
def test_accepted(body: str) -> None:
    assert accept(f"upstreams:\n- {body}\n").upstreams


@pytest.mark.parametrize(
    ("given", "algorithm", "hash_on"),
    [
        ("algorithm: least-connections, hash_on: ip", "least-connections", "none"),
        ("algorithm: latency", "latency", "none"),
        ("hash_on: none, algorithm: consistent-hashing", "round-robin", "none"),
        ("hash_on: ip", "consistent-hashing", "ip"),
        ("hash_on: ip, algorithm: round-robin", "consistent-hashing", "ip"),
        ("algorithm: consistent-hashing", "consistent-hashing", "none"),
        ("slots: 10", "round-robin", "none"),
    ],
)
def test_algorithm_and_hash_on_are_coupled(given: str, algorithm: str, hash_on: str) -> None:
    (upstream,) = accept(f"upstreams: [{{name: a, {given}}}]").upstreams
    assert (upstream.algorithm, upstream.hash_on) == (algorithm, hash_on)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("a", "a:8000"),
        ("a:81", "a:81"),
        ("1.2.3.4", "1.2.3.4:8000"),
        ("::1", "[0000:0000:0000:0000:0000:0000:0000:0001]:8000"),
        ("[::1]:80", "[0000:0000:0000:0000:0000:0000:0000:0001]:80"),
    ],
)
def test_targets_are_written_out(given: str, normal: str) -> None:
    (target,) = accept(f"upstreams: [{{name: a, targets: [{{target: '{given}'}}]}}]").targets
    assert target.target == normal


def test_health_checks_are_complete() -> None:
    (upstream,) = accept(
        "upstreams: [{name: a, healthchecks: {active: {unhealthy: {timeouts: 3}}}}]"
    ).upstreams
    checks = upstream.healthchecks
    assert checks.active.unhealthy.timeouts == 3
    assert checks.active.healthy.http_statuses == (200, 302)
    assert checks.passive.unhealthy.http_statuses == (429, 500, 503)


def test_resilience_is_off_unless_asked_for() -> None:
    one, two = accept("upstreams: [{name: a}, {name: b, x_resilience: {slow_start: 5}}]").upstreams
    assert one.x_resilience is None
    assert two.x_resilience is not None
    assert (two.x_resilience.slow_start, two.x_resilience.panic_threshold) == (5, 0)
    assert two.x_resilience.retry is None


def test_retries_are_as_in_kong_unless_asked_otherwise() -> None:
    (one,) = accept("upstreams: [{name: a, x_resilience: {retry: {}}}]").upstreams
    assert one.x_resilience is not None
    assert one.x_resilience.retry == Retry((), None, 0, 0, 0)
