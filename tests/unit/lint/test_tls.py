"""Services that speak TLS without looking at the certificate, and certificates at their end."""

from __future__ import annotations

import json

import pytest

from dbless_gateway.lint.tls import EXPIRES, UNVERIFIED
from tests.support.authority import Authority
from tests.support.findings import findings, judged


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("{name: s, url: https://h}", "services[0].url"),
        ("{name: s, host: h, protocol: https}", "services[0].protocol"),
        ("{name: s, url: https://h, tls_verify: false}", "services[0].tls_verify"),
        ("{name: s, host: h, protocol: tls}", "services[0].protocol"),
    ],
)
def test_unverified(service: str, path: str) -> None:
    (found,) = findings(f"services: [{service}]", UNVERIFIED)

    assert found.path == path


@pytest.mark.parametrize(
    "service",
    ["{name: s, url: http://h}", "{name: s, url: https://h, tls_verify: true}", "{name: s, url: grpcs://h}"],
)
def test_verified_or_not_tls(service: str) -> None:
    assert findings(f"services: [{service}]", UNVERIFIED) == []


@pytest.mark.parametrize(
    ("days", "expected"),
    [(-1, "the certificate expired on "), (20, "the certificate expires on "), (22, None)],
)
def test_certificates_at_their_end(days: float, expected: str | None) -> None:
    cert, key = Authority().issue("a.test", days=days)
    text = json.dumps(
        {"_format_version": "3.0", "certificates": [{"cert": cert, "key": key, "snis": [{"name": "a.test"}]}]}
    )
    found = findings(text, EXPIRES)

    assert [(problem.path, problem.message.startswith(expected or "")) for problem in found] == (
        [("certificates[0].cert", True)] if expected else []
    )


def test_a_certificate_whose_secret_is_missing_never_expires() -> None:
    verdict = judged("certificates: [{cert: '{vault://env/c}', key: '{vault://env/k}'}]")
    assert not verdict.has_errors()
    assert "lint/certificate-expires" not in {problem.code for problem in verdict.problems}
