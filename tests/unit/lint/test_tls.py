"""Services that speak TLS without looking at the certificate."""

from __future__ import annotations

import pytest

from dbless_gateway.lint.tls import UNVERIFIED
from tests.support.findings import findings


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
