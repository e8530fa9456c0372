"""Health checks that can never eject a target."""

from __future__ import annotations

import pytest

from dbless_gateway.lint.health import NEVER_EJECTS
from tests.support.findings import findings

UPSTREAM = "upstreams: [{name: u, healthchecks: %s}]"


@pytest.mark.parametrize(
    ("checks", "section"),
    [
        ("{active: {healthy: {interval: 5}}}", "active"),
        ("{active: {healthy: {interval: 5}, unhealthy: {interval: 5}}}", "active"),
        ("{passive: {unhealthy: {http_statuses: [500]}}}", "passive"),
        ("{passive: {type: tcp, unhealthy: {http_failures: 3}}}", "passive"),
        ("{passive: {unhealthy: {http_failures: 3, http_statuses: []}}}", "passive"),
        # Only unhealthy targets are probed, and none becomes one.
        ("{active: {unhealthy: {interval: 5, http_failures: 3}}}", "active"),
    ],
)
def test_never_ejects(checks: str, section: str) -> None:
    (found,) = findings(UPSTREAM % checks, NEVER_EJECTS)

    assert found.path == f"upstreams[0].healthchecks.{section}"


@pytest.mark.parametrize(
    "checks",
    [
        "{}",
        "{threshold: 10}",
        "{active: {healthy: {interval: 5}, unhealthy: {http_failures: 1}}}",
        "{active: {type: tcp, healthy: {interval: 5}, unhealthy: {tcp_failures: 1}}}",
        "{passive: {unhealthy: {timeouts: 1}}}",
        "{active: {unhealthy: {interval: 5}}, passive: {unhealthy: {http_failures: 2}}}",
    ],
)
def test_ejects_or_is_not_asked_to(checks: str) -> None:
    assert findings(UPSTREAM % checks, NEVER_EJECTS) == []
