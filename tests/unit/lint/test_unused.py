"""Entities that nothing leads to."""

from __future__ import annotations

import pytest

from dbless_gateway.lint import unused
from tests.support.findings import findings
from tests.support.gateway import REPOSITORY

ANONYMOUS = "plugins: [{name: key-auth, config: {anonymous: %s}}]\nconsumers: [{username: a}]"
CERTIFICATES = REPOSITORY / "tests" / "compat" / "files" / "everything.yaml"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("upstreams: [{name: u}]", 1),
        ("upstreams: [{name: u}]\nservices: [{name: s, host: u}]", 0),
        ("upstreams: [{name: u}]\nservices: [{name: u, host: other}]", 1),
    ],
)
def test_upstream(text: str, count: int) -> None:
    assert len(findings(text, unused.UPSTREAM)) == count


def test_upstream_of_code() -> None:
    """Lua can send a request anywhere, so an upstream that it names may be in use."""
    code = "plugins: [{name: pre-function, config: {access: [\"kong.service.set_upstream('u')\"]}}]"
    assert findings(f"upstreams: [{{name: u}}]\n{code}", unused.UPSTREAM) == []


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("consumers: [{username: a}]", ["consumers[0].username"]),
        ("consumers: [{custom_id: '7'}]", ["consumers[0].custom_id"]),
        ("consumers: [{username: a, acls: [{group: g}]}]", ["consumers[0].username"]),
        ("consumers: [{username: a, keyauth_credentials: [{}]}]", []),
        (ANONYMOUS % "a", []),
        (ANONYMOUS % "b", ["consumers[0].username"]),
    ],
)
def test_consumer(text: str, paths: list[str]) -> None:
    assert [problem.path for problem in findings(text, unused.CONSUMER)] == paths


@pytest.mark.parametrize(
    ("protocols", "message"),
    [
        ("[tcp]", "nothing listens for tcp: only HTTP is proxied"),
        ("[tcp, tls]", "nothing listens for tcp or tls: only HTTP is proxied"),
    ],
)
def test_route_that_is_not_for_http(protocols: str, message: str) -> None:
    text = f"routes: [{{name: r, protocols: {protocols}, destinations: [{{port: 9000}}]}}]"
    (found,) = findings(text, unused.ROUTE)
    assert (found.path, found.message) == ("routes[0].protocols", message)


def test_certificate() -> None:
    text = CERTIFICATES.read_text()
    assert findings(text, unused.CERTIFICATE) == []
    without = text.replace("    client_certificate: 2f6c7a10-0c1b-4e0e-9d1f-7a5b0a1c0002\n", "")
    (found,) = findings(without, unused.CERTIFICATE)
    assert found.path == "certificates[1]"
