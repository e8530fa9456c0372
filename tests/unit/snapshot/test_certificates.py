"""Which certificate a server name gets, and what the settings make of a handshake."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import cast

import pytest

from dbless_gateway.config.entities import Certificate, Sni
from dbless_gateway.config.problems import Problem
from dbless_gateway.proxy.client_tls import client_context
from dbless_gateway.snapshot.certificates import (
    NO_CERTIFICATES,
    ServerCertificates,
    TlsPolicy,
    compile_certificates,
    server_context,
)
from dbless_gateway.snapshot.key_pairs import KeyPair, load_key_pair
from tests.support.authority import Authority, Pem, rsa_key
from tests.support.plugin_context import HERE


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def default(authority: Authority) -> KeyPair:
    return KeyPair(*authority.issue("default.test"))


def certificate(id: str, pem: Pem, alt: Pem | None = None) -> Certificate:
    cert_alt, key_alt = alt or (None, None)
    return Certificate(id, pem.cert, pem.key, cert_alt, key_alt, None, 0, 0, HERE)


def sni(name: str, certificate_id: str) -> Sni:
    return Sni(f"sni-{name}", name, certificate_id, None, 0, 0, HERE)


def compiled(
    certificates: Iterable[Certificate], snis: Iterable[Sni], policy: TlsPolicy | None = None
) -> tuple[ServerCertificates, list[Problem]]:
    problems: list[Problem] = []
    steps = compile_certificates(certificates, snis, policy or TlsPolicy(), problems)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value, problems


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Do a handshake in memory; return the server's end and the client's."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=name),
    )
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                pass
        if not waiting:
            return ends
    raise AssertionError("the handshake does not end")


def anybody() -> ssl.SSLContext:
    """Return a client's context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def names_shown(server: ssl.SSLContext, authority: Authority, name: str | None) -> set[str]:
    """Return the names in the certificate that a client is shown that asks for this one."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cadata=authority.cert)
    shown = shake(server, client, name)[1].getpeercert()
    assert shown is not None
    return {str(value) for _, value in cast("tuple[tuple[str, str], ...]", shown["subjectAltName"])}


CONTEXTS = {
    name: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name in ("example.com", "*.example.com", "*.b.example.com", "a.b.example.*", "example.*")
}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com"),
        ("www.example.com", "*.example.com"),
        ("a.b.example.com", "*.b.example.com"),  # One label and no more; before the other star.
        ("a.b.c.example.com", None),
        ("a.b.example.org", "a.b.example.*"),
        ("example.org", "example.*"),
        ("example.co.uk", None),
        ("com", None),
        ("", None),
        (".", None),
        ("..", None),
        (None, None),
    ],
)
def test_lookup(asked: str | None, expected: str | None) -> None:
    found = ServerCertificates(CONTEXTS).find(asked)
    assert found is (CONTEXTS[expected] if expected else None)


def test_a_star_alone_is_for_all_other_names_but_not_for_none() -> None:
    star = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates = ServerCertificates({**CONTEXTS, "*": star})
    assert certificates.find("elsewhere.test") is star
    assert certificates.find("com") is star
    assert certificates.find(None) is None


def test_a_star_needs_two_labels_behind_it() -> None:
    contexts = {"*.com": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)}
    assert ServerCertificates(contexts).find("example.com") is None


def test_each_certificate_is_compiled_once_and_only_if_a_name_leads_to_it(authority: Authority) -> None:
    pem = authority.issue("one.test", "two.test")
    found, problems = compiled(
        [certificate("a", pem), certificate("unnamed", Pem("no certificate", "no key"))],
        [sni("one.test", "a"), sni("Two.test", "a")],
    )
    assert problems == []
    assert found.find("one.test") is found.find("two.test") is not None


def test_without_listeners_for_tls_nothing_is_compiled() -> None:
    steps = compile_certificates([certificate("a", Pem("no", "no"))], [sni("x.test", "a")], None, [])
    with pytest.raises(StopIteration) as stop:
        next(steps)
    assert stop.value.value is NO_CERTIFICATES


def test_a_certificate_that_openssl_refuses_is_a_problem(authority: Authority) -> None:
    weak = authority.issue("weak.test", key=rsa_key(1024))
    found, problems = compiled([certificate("a", weak)], [sni("weak.test", "a")])
    assert [(p.code, p.entity) for p in problems] == [("certificate/unusable", 'certificate "weak.test"')]
    assert "EE_KEY_TOO_SMALL" in problems[0].message
    assert found.find("weak.test") is None


def test_the_name_decides_and_is_kept_for_routing(authority: Authority, default: KeyPair) -> None:
    found, _ = compiled([certificate("a", authority.issue("a.test"))], [sni("a.test", "a")])
    server = client_context(TlsPolicy(), [default], lambda: found)
    assert names_shown(server, authority, "a.test") == {"a.test"}
    assert names_shown(server, authority, "b.test") == {"default.test"}
    assert names_shown(server, authority, None) == {"default.test"}
    end, _ = shake(server, anybody(), "A.test")
    assert getattr(end, "gateway_sni", None) == "A.test"


def test_the_next_handshake_takes_the_new_certificate(authority: Authority, default: KeyPair) -> None:
    first, _ = compiled([certificate("a", authority.issue("a.test", "old.test"))], [sni("a.test", "a")])
    second, _ = compiled([certificate("a", authority.issue("a.test", "new.test"))], [sni("a.test", "a")])
    current = first
    server = client_context(TlsPolicy(), [default], lambda: current)
    assert names_shown(server, authority, "a.test") == {"a.test", "old.test"}
    current = second
    assert names_shown(server, authority, "a.test") == {"a.test", "new.test"}


@pytest.mark.parametrize(
    ("ciphers", "kind"), [("ECDHE-RSA-AES128-GCM-SHA256", "RSA"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDSA")]
)
def test_clients_get_the_kind_of_key_they_know(
    authority: Authority, default: KeyPair, ciphers: str, kind: str
) -> None:
    both = certificate("a", authority.issue("a.test"), authority.issue("a.test", key=rsa_key()))
    found, problems = compiled([both], [sni("a.test", "a")])
    assert problems == []
    server = client_context(TlsPolicy(), [default], lambda: found)
    client = anybody()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(ciphers)
    used = shake(server, client, "a.test")[1].cipher()
    assert used is not None
    assert kind in used[0]


def test_alpn_offers_http_1_1_with_every_certificate(authority: Authority, default: KeyPair) -> None:
    found, _ = compiled([certificate("a", authority.issue("a.test"))], [sni("a.test", "a")])
    server = client_context(TlsPolicy(), [default], lambda: found)
    client = anybody()
    client.set_alpn_protocols(["h2", "http/1.1"])
    for name in ("a.test", "b.test"):
        assert shake(server, client, name)[1].selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize(
    ("protocols", "version", "expected"),
    [
        (("TLSv1.2", "TLSv1.3"), ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (("TLSv1.2", "TLSv1.3"), ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        (("TLSv1.3",), ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        (("TLSv1.3",), ssl.TLSVersion.TLSv1_2, None),
        (("TLSv1.2",), ssl.TLSVersion.TLSv1_3, None),
    ],
)
def test_protocols(
    default: KeyPair, protocols: tuple[str, ...], version: ssl.TLSVersion, expected: str | None
) -> None:
    client = anybody()
    client.minimum_version = client.maximum_version = version
    server = server_context(TlsPolicy(protocols=protocols), [default])
    if expected is None:
        with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
            shake(server, client)
    else:
        assert shake(server, client)[1].version() == expected


@pytest.mark.parametrize("ours", [True, False])
def test_whose_order_of_ciphers_counts(default: KeyPair, ours: bool) -> None:
    first, second = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
    client = anybody()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(f"{second}:{first}")
    policy = TlsPolicy(ciphers=f"{first}:{second}", prefers_own_ciphers=ours)
    used = shake(server_context(policy, [default]), client)[1].cipher()
    assert used is not None
    assert used[0] == (first if ours else second)


@pytest.mark.parametrize("tickets", [True, False])
def test_sessions_are_resumed_by_tickets_if_wanted(default: KeyPair, tickets: bool) -> None:
    server = server_context(TlsPolicy(protocols=("TLSv1.2",), session_tickets=tickets), [default])
    assert bool(server.options & ssl.OP_NO_TICKET) is not tickets
    assert bool(server.num_tickets) is tickets


@pytest.mark.parametrize(("mode", "with_certificate", "accepted"), [
    ("on", True, True), ("on", False, False), ("optional", False, True), ("off", True, True),
])  # fmt: skip
def test_certificates_of_clients(
    authority: Authority, default: KeyPair, mode: str, with_certificate: bool, accepted: bool
) -> None:
    policy = TlsPolicy(("TLSv1.2",), client_authorities=authority.cert, verify_client=mode)
    client = anybody()
    if with_certificate:
        load_key_pair(client, KeyPair(*authority.issue("client.test")))
    if not accepted:
        with pytest.raises(ssl.SSLError):
            shake(server_context(policy, [default]), client)
        return
    end, _ = shake(server_context(policy, [default]), client)
    assert bool(end.getpeercert()) is (with_certificate and mode != "off")


def test_a_client_of_another_authority_is_refused_even_with_the_certificate_of_a_name(
    authority: Authority, default: KeyPair
) -> None:
    """The context of a name has the authorities as well; OpenSSL looks for them there."""
    policy = TlsPolicy(("TLSv1.2",), client_authorities=authority.cert, verify_client="on")
    found, _ = compiled([certificate("a", authority.issue("a.test"))], [sni("a.test", "a")], policy)
    server = client_context(policy, [default], lambda: found)
    friend, stranger = anybody(), anybody()
    load_key_pair(friend, KeyPair(*authority.issue("friend.test")))
    load_key_pair(stranger, KeyPair(*Authority("Another").issue("stranger.test")))
    shake(server, friend, "a.test")
    with pytest.raises(ssl.SSLError):
        shake(server, stranger, "a.test")
