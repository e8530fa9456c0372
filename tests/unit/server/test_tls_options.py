"""TLS settings: what they mean for a handshake, and which mistakes are told before anything listens."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from dbless_gateway.server.options import ServerSettings, make_settings
from dbless_gateway.server.self_signed import self_signed_pairs
from dbless_gateway.server.tls_options import listener_certificates
from dbless_gateway.snapshot.certificates import TlsPolicy, server_context
from dbless_gateway.snapshot.key_pairs import KeyPair
from tests.support.authority import Authority


@pytest.fixture(scope="module")
def pem() -> KeyPair:
    return KeyPair(*(text.strip() for text in Authority().issue("a.test")))


def made(**environ: str) -> ServerSettings:
    result = make_settings({}, ["f"], {f"KONG_{name.upper()}": value for name, value in environ.items()})
    assert result.settings is not None, result.errors
    return result.settings


def errors(**environ: str) -> tuple[str, ...]:
    return make_settings({}, ["f"], {f"KONG_{name.upper()}": value for name, value in environ.items()}).errors


def test_the_default_is_intermediate() -> None:
    assert made().proxy.tls == made(ssl_cipher_suite="intermediate").proxy.tls == TlsPolicy()


@pytest.mark.parametrize(
    ("suite", "protocols", "own"),
    [
        ("modern", ("TLSv1.3",), False),
        ("old", ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"), True),
        ("fips", ("TLSv1.2",), True),
    ],
)
def test_suites(suite: str, protocols: tuple[str, ...], own: bool) -> None:
    policy = made(ssl_cipher_suite=suite, ssl_ciphers="has no effect").tls["status"]
    assert (policy.protocols, policy.prefers_own_ciphers) == (protocols, own)
    server_context(policy, self_signed_pairs())


def test_a_suite_of_ones_own() -> None:
    policy = made(
        ssl_cipher_suite="custom",
        ssl_ciphers="ECDHE-RSA-AES128-GCM-SHA256",
        ssl_protocols="TLSv1.2",
        ssl_prefer_server_ciphers="off",
        ssl_session_tickets="off",
    ).tls["status"]
    assert policy == TlsPolicy(("TLSv1.2",), "ECDHE-RSA-AES128-GCM-SHA256", False, False)


@pytest.mark.parametrize(("kind", "others"), [("proxy", ("admin", "status")), ("admin", ("proxy", "status"))])
def test_clients_show_certificates_where_that_is_set(
    kind: str, others: tuple[str, ...], pem: KeyPair
) -> None:
    wanted = {f"nginx_{kind}_ssl_client_certificate": pem.cert, f"nginx_{kind}_ssl_verify_client": "on"}
    settings = made(**wanted)
    assert settings.tls[kind].verify_client == "on"
    assert settings.tls[kind].client_authorities == pem.cert
    assert settings.proxy.tls == settings.tls["proxy"]
    assert {settings.tls[other].verify_client for other in others} == {"off"}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ssl_cipher_suite": "custom", "ssl_ciphers": "NOPE"}, "ssl_ciphers: no cipher can be selected."),
        (
            {"ssl_protocols": "SSLv3"},
            "ssl_protocols must be a list of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3; got 'SSLv3'",
        ),
        ({"ssl_cert": "/no/such.pem"}, "ssl_cert: failed loading certificate from /no/such.pem"),
        ({"ssl_cert_key": "/no/such.pem"}, "ssl_cert_key: failed loading key from /no/such.pem"),
        ({"ssl_dhparam": "/no/such.pem"}, "ssl_dhparam: no such file: /no/such.pem"),
        (
            {"nginx_proxy_ssl_verify_client": "on"},
            "nginx_proxy_ssl_client_certificate must be specified to verify clients",
        ),
        (
            {"nginx_admin_ssl_verify_client": "optional"},
            "nginx_admin_ssl_client_certificate must be specified to verify clients",
        ),
    ],
)  # fmt: skip
def test_mistakes(environ: dict[str, str], message: str) -> None:
    assert errors(**environ) == (message,)


def test_certificates_come_with_their_keys(pem: KeyPair) -> None:
    other = Authority().issue("b.test")
    assert errors(ssl_cert=pem.cert) == ("ssl_cert_key must be specified",)
    assert errors(admin_ssl_cert_key=pem.key) == ("admin_ssl_cert must be specified",)
    assert errors(ssl_cert=f"{pem.cert},{other.cert}", ssl_cert_key=pem.key) == (
        "ssl_cert was specified 2 times while ssl_cert_key was specified 1 times",
    )
    assert errors(ssl_cert=pem.cert, ssl_cert_key=other.key) == ("ssl_cert: key values mismatch",)


def test_a_mistake_never_shows_a_key(pem: KeyPair) -> None:
    (message,) = errors(ssl_cert_key=pem.key.replace("-", "~") + "x" * 300)
    assert message == "ssl_cert_key: failed loading key from <content>"


def test_certificates_may_be_files_or_texts_or_base64(pem: KeyPair, tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text(pem.cert)
    encoded = base64.b64encode(pem.cert.encode()).decode()
    found = [
        made(ssl_cert=form, ssl_cert_key=pem.key).default_pairs for form in (str(file), pem.cert, encoded)
    ]
    assert found == [{"proxy": (pem,)}] * 3


def test_certificates_of_listeners_are_called_by_their_setting(pem: KeyPair) -> None:
    other = Authority().issue("b.test")
    settings = made(
        proxy_listen="127.0.0.1:1 ssl",
        ssl_cert=f"{pem.cert},{other.cert.strip()}",
        ssl_cert_key=f"{pem.key},{other.key.strip()}",
    )
    named = listener_certificates(settings.default_pairs)
    assert [name for name, _ in named] == ["ssl_cert", "ssl_cert 2"]
    assert listener_certificates({}) == ()
