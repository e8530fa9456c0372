"""What a judgement consists of, and that lints can be switched off one by one."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from dbless_gateway.config.codes import CODES, WARNING
from dbless_gateway.lint.verdict import LINTS, NOT_RUN
from tests.support.findings import HEAD, judged

# One line for each lint, all in one configuration.
EVERYTHING = """
services:
  - {name: s, url: https://h, enabled: yes}
routes:
  - {name: all, paths: ['~/.*'], hosts: [x.org, y.org]}
  - {name: lost, paths: [/a], hosts: [x.org]}
  - {name: literal, paths: ['/b.*']}
  - {name: tie, paths: ['~/[a-z]+'], hosts: [y.org, z.org]}
  - {name: plain, protocols: [tcp], sources: [{port: 1}]}
upstreams:
  - {name: u, healthchecks: {active: {healthy: {interval: 1}}}}
consumers:
  - {username: idle}
  - {username: a, keyauth_credentials: [{key: k}]}
"""


def test_every_lint_has_a_row_in_the_table_of_codes() -> None:
    assert {code for code in CODES if code.startswith("lint/")} == LINTS
    assert {CODES[code].severity for code in LINTS} == {WARNING}


@pytest.mark.parametrize("code", sorted(LINTS - {"lint/unused-certificate", "lint/certificate-expires"}))
def test_each_lint_can_be_switched_off(code: str) -> None:
    every = {problem.code for problem in judged(EVERYTHING).problems}
    others = {problem.code for problem in judged(EVERYTHING, lints=LINTS - {code}).problems}

    assert code in every
    assert others == every - {code}


def test_plugin_that_is_not_run() -> None:
    verdict = judged("plugins: [{name: grpc-web}, {name: grpc-gateway, enabled: false}]")

    assert [(problem.code, problem.severity) for problem in verdict.problems] == [(NOT_RUN, "warning")]
    assert not verdict.has_errors()


VARIABLE = '${{ env "DECK_KEY" }}'


@pytest.mark.parametrize(
    "routes",
    [
        f"[{{name: r, paths: ['/{VARIABLE}']}}]",
        f"[{{name: r, paths: ['{VARIABLE}']}}]",
        f"[{{name: '{VARIABLE}', paths: [/a]}}]",
        f"[{{name: a, paths: ['~/.*']}}, {{name: r, paths: ['/{VARIABLE}/']}}]",
        f"[{{name: r, paths: [/a/], headers: {{x: ['~*({VARIABLE}']}}}}]",
    ],
)
def test_values_of_variables_are_in_no_finding(routes: str) -> None:
    problems = judged(f"routes: {routes}").problems

    assert problems
    assert "from-env" not in str(problems)


def test_problems_of_compiling_are_errors_with_a_place() -> None:
    verdict = judged("routes: [{name: r, paths: [/a/], headers: {x: ['~*(']}}]")
    (problem,) = verdict.problems

    assert problem.severity == "error"
    assert problem.path.startswith("routes[0]")
    assert verdict.has_errors()


def weak_pair() -> tuple[str, str]:
    """Return a certificate and key in PEM that are right and too weak for OpenSSL."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak.example")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(datetime(2025, 1, 1)).not_valid_after(datetime(2125, 1, 1))
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode(), key_pem


def test_certificates_are_tried_as_listeners_would() -> None:
    certificate, key = weak_pair()
    entity = json.dumps({"cert": certificate, "key": key, "snis": [{"name": "weak.example"}]})
    (problem,) = [p for p in judged(f"{HEAD}certificates: [{entity}]").problems if p.severity == "error"]

    assert problem.code == "certificate/unusable"
    assert problem.path == "certificates[0]"
