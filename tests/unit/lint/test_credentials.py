"""Secrets in the file, and where a secret may come from instead."""

from __future__ import annotations

import pytest

from dbless_gateway.lint.credentials import PLAINTEXT
from tests.support.findings import findings

CONSUMER = "consumers: [{username: a, %s}]"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (CONSUMER % "keyauth_credentials: [{key: k}]", "consumers[0].keyauth_credentials[0].key"),
        (
            CONSUMER % "basicauth_credentials: [{username: u, password: p}]",
            "consumers[0].basicauth_credentials[0].password",
        ),
        (CONSUMER % "jwt_secrets: [{key: k, secret: s}]", "consumers[0].jwt_secrets[0].secret"),
        (
            "plugins: [{name: rate-limiting, config: {minute: 1, policy: redis,"
            " redis: {host: h, password: p}}}]",
            "plugins[0].config.redis.password",
        ),
    ],
)
def test_in_plain_text(text: str, path: str) -> None:
    found = {problem.path: problem for problem in findings(text, PLAINTEXT)}

    assert path in found
    assert "plain text" in found[path].message


@pytest.mark.parametrize(
    "text",
    [
        CONSUMER % "keyauth_credentials: [{key: '${{ env \"DECK_KEY\" }}'}]",
        CONSUMER % "keyauth_credentials: [{}]",
        CONSUMER % "acls: [{group: g}]",
        "plugins: [{name: rate-limiting, config: {minute: 1, policy: redis,"
        " redis: {host: h, password: '{vault://env/redis-password}'}}}]",
    ],
)
def test_from_elsewhere(text: str) -> None:
    assert findings(text, PLAINTEXT) == []
