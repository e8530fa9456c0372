"""TLS towards targets: who is trusted, and which services share it."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from dbless_gateway.config.entities import CaCertificate, Certificate, Service
from dbless_gateway.snapshot.key_pairs import KeyPair
from dbless_gateway.snapshot.target_tls import TargetTlsContexts, TargetTlsPolicy
from tests.support.authority import Authority, Pem
from tests.support.plugin_context import HERE, make_service
from tests.support.upstream_entities import upstream


@pytest.fixture(scope="module")
def pair() -> Pem:
    return Authority().own


@pytest.fixture
def contexts(pair: Pem) -> TargetTlsContexts:
    cert, key = pair
    return TargetTlsContexts(
        {"mine": Certificate("mine", cert, key, None, None, None, 0, 0, HERE)},
        {"authority": CaCertificate("authority", cert, "0" * 64, None, 0, 0, HERE)},
        TargetTlsPolicy(),
    )


def service(**changes: object) -> Service:
    return replace(make_service("s", protocol="https"), **changes)  # type: ignore[arg-type]


def test_plain_services_have_none(contexts: TargetTlsContexts) -> None:
    assert contexts.for_service(service(protocol="http"), None) is None


@pytest.mark.parametrize("tls_verify", [None, False])
def test_nothing_is_verified_by_default(contexts: TargetTlsContexts, tls_verify: bool | None) -> None:
    """As in Kong, whose default this is."""
    found = contexts.for_service(service(tls_verify=tls_verify), None)
    assert found is not None
    assert found.context.verify_mode is ssl.CERT_NONE
    assert not found.context.check_hostname


def test_verification_includes_the_name(contexts: TargetTlsContexts) -> None:
    found = contexts.for_service(service(tls_verify=True, ca_certificates=("authority",)), None)
    assert found is not None
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert found.context.check_hostname
    assert found.context.cert_store_stats()["x509_ca"] == 1, "only the named authority"


def test_trusted_file_is_for_services_without_authorities(pair: Pem, tmp_path: Path) -> None:
    file = tmp_path / "trusted.pem"
    file.write_text(pair[0])
    contexts = TargetTlsContexts({}, {}, TargetTlsPolicy(trusted_file=str(file)))
    found = contexts.for_service(service(tls_verify=True), None)
    assert found is not None
    assert found.context.cert_store_stats()["x509_ca"] == 1


def test_old_protocols_are_refused(contexts: TargetTlsContexts) -> None:
    found = contexts.for_service(service(), None)
    assert found is not None
    assert found.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_services_with_the_same_trust_share_a_context(contexts: TargetTlsContexts) -> None:
    assert contexts.for_service(service(), None) is contexts.for_service(service(id="other"), None)


def test_different_trust_never_mixes(contexts: TargetTlsContexts) -> None:
    """The trust is part of the key of a pooled connection."""
    kinds = [
        service(),
        service(tls_verify=True, ca_certificates=("authority",)),
        service(client_certificate="mine"),
        service(tls_verify=True, ca_certificates=("authority",), client_certificate="mine"),
    ]
    found = [contexts.for_service(kind, None) for kind in kinds]
    assert len({tls.trust for tls in found if tls is not None}) == len(kinds)


def test_certificate_of_the_service_goes_before_the_upstreams(contexts: TargetTlsContexts) -> None:
    other = upstream("u", client_certificate="mine")
    by_upstream = contexts.for_service(service(), other)
    by_service = contexts.for_service(
        service(client_certificate="mine"), upstream("u", client_certificate="x")
    )
    assert by_upstream is not None
    assert by_upstream is by_service


def test_trust_is_named_by_content(pair: Pem) -> None:
    """A client certificate that changes under its id must not meet connections of the old one."""

    def trust(cert: str, key: str) -> object:
        certificates = {"mine": Certificate("mine", cert, key, None, None, None, 0, 0, HERE)}
        found = TargetTlsContexts(certificates, {}, TargetTlsPolicy()).for_service(
            service(client_certificate="mine"), None
        )
        assert found is not None
        return found.trust

    assert trust(*pair) == trust(*pair)
    assert trust(*pair) != trust(*Authority().own)


def test_settings_decide_for_services_that_say_nothing(pair: Pem, contexts: TargetTlsContexts) -> None:
    policy = TargetTlsPolicy(verify=True, depth=3, client_pair=KeyPair(*pair))
    by_settings = TargetTlsContexts({}, {}, policy)
    found = by_settings.for_service(service(), None)
    assert found is not None
    assert (found.context.verify_mode, found.depth) == (ssl.CERT_REQUIRED, 3)
    own = by_settings.for_service(service(tls_verify=True, tls_verify_depth=0), None)
    off = by_settings.for_service(service(tls_verify=False), None)
    plain = contexts.for_service(service(tls_verify=False), None)
    assert own is not None
    assert off is not None
    assert plain is not None
    assert own.depth == 0
    assert off.depth is None
    assert off.trust != plain.trust, "one of them shows a certificate"


def test_depth_is_part_of_trust_but_needs_no_context_of_its_own(contexts: TargetTlsContexts) -> None:
    near = contexts.for_service(service(tls_verify=True, tls_verify_depth=0), None)
    far = contexts.for_service(service(tls_verify=True, tls_verify_depth=2), None)
    assert near is not None
    assert far is not None
    assert near.trust != far.trust
    assert near.context is far.context


def test_the_system_is_trusted_when_nothing_else_is_named() -> None:
    found = TargetTlsContexts({}, {}, TargetTlsPolicy()).for_service(service(tls_verify=True), None)
    assert found is not None
    assert found.context.verify_mode is ssl.CERT_REQUIRED
