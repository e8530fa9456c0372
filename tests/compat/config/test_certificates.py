"""Certificates, SNIs, CA certificates, vaults, keys: what fits together and what does not."""

# One case is one row, however long.
# ruff: noqa: E501

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from tests.compat.config.cases import Rejected, accept, errors, load_text, reject

ID = "7a267194-6123-5ee0-a1c9-4c1559eb0d95"


@cache
def _key(kind: str) -> Any:
    # 1024 bits are quick to make, and nothing here depends on their strength.
    return (
        rsa.generate_private_key(65537, 1024)
        if kind.startswith("rsa")
        else ec.generate_private_key(ec.SECP256R1())
    )


def _key_pem(kind: str) -> str:
    return _key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()  # type: ignore[no-any-return]


def _public_pem(kind: str) -> str:
    return _key(kind).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()  # type: ignore[no-any-return]


@cache
def _certificate(kind: str, *, ca: bool = False, days: int = 30) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(_key(kind).public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
    )
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(_key(kind), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _quoted(pem: str) -> str:
    return json.dumps(pem)


def _pair(cert: str, key: str, extra: str = "") -> str:
    return f"certificates:\n- id: {ID}\n  cert: {_quoted(cert)}\n  key: {_quoted(key)}\n{extra}"


def test_a_pair_is_accepted_with_its_names() -> None:
    entities = accept(
        _pair(
            _certificate("rsa"),
            _key_pem("rsa"),
            "  snis: [{name: a.example}, {name: '*.b.example'}, {name: '*'}]\n",
        )
    )
    assert entities.certificates[0].id == ID
    assert [(sni.name, sni.certificate) for sni in entities.snis] == [
        ("a.example", ID),
        ("*.b.example", ID),
        ("*", ID),
    ]


def test_two_kinds_of_keys_are_accepted() -> None:
    extra = f"  cert_alt: {_quoted(_certificate('ec'))}\n  key_alt: {_quoted(_key_pem('ec'))}\n"
    assert accept(_pair(_certificate("rsa"), _key_pem("rsa"), extra)).certificates[0].key_alt


def test_references_to_a_vault_are_accepted_unseen() -> None:
    text = "certificates: [{cert: '{vault://env/cert}', key: '{vault://env/key}'}]\n"
    assert accept(text).certificates[0].cert == "{vault://env/cert}"


def test_a_key_of_another_certificate() -> None:
    text = f"certificates:\n- cert: {_quoted(_certificate('rsa'))}\n  key: §{_quoted(_key_pem('rsa2'))}\n"
    reject(Rejected("certificate/mismatch", "certificate does not match key", text))


def test_an_alternative_of_the_same_kind() -> None:
    extra = f"  cert_alt: §{_quoted(_certificate('rsa2'))}\n  key_alt: {_quoted(_key_pem('rsa2'))}\n"
    case = Rejected(
        "certificate/same-kind", "both of the same type", _pair(_certificate("rsa"), _key_pem("rsa"), extra)
    )
    reject(case)


def test_an_alternative_with_a_foreign_key() -> None:
    extra = f"  cert_alt: {_quoted(_certificate('ec'))}\n  key_alt: §{_quoted(_key_pem('rsa2'))}\n"
    text = _pair(_certificate("rsa"), _key_pem("rsa"), extra)
    reject(Rejected("certificate/mismatch", "alternative certificate does not match key", text))


def test_half_an_alternative() -> None:
    extra = f"  §cert_alt: {_quoted(_certificate('ec'))}\n"
    text = _pair(_certificate("rsa"), _key_pem("rsa"), extra)
    reject(Rejected("rule/together", "'cert_alt', 'key_alt'", text))


def test_a_key_is_never_shown() -> None:
    pem = _key_pem("rsa").replace("\nMII", "\n!!!")
    loaded = load_text(_pair(_certificate("rsa"), pem))
    (problem,) = errors(loaded)
    assert (problem.code, problem.message) == (
        "schema/format",
        "invalid key: the PEM block cannot be decoded",
    )


REFUSED = [
    Rejected("schema/required", "required field missing", "certificates: [§{cert: '{vault://env/c}'}]\n"),
    Rejected("schema/required", "required field missing", "certificates: [§{key: '{vault://env/c}'}]\n"),
    Rejected("schema/format", "invalid certificate", "certificates: [{cert: §x, key: '{vault://env/c}'}]\n"),
    Rejected("schema/format", "invalid key", "certificates: [{cert: '{vault://env/c}', key: §x}]\n"),
    # A secret as short as this is part of the message's own words.
    Rejected("schema/format", "invalid key", "certificates: [{cert: '{vault://env/c}', key: §y}]\n"),
    Rejected("schema/required", "required field missing", "certificates: [{cert: '{vault://env/c}', key: '{vault://env/c}', snis: [§{}]}]\n"),
    Rejected("schema/format", "must not be an IP", "certificates: [{cert: '{vault://env/c}', key: '{vault://env/c}', snis: [{name: §1.2.3.4}]}]\n"),
    Rejected("schema/type", "expected a record", "certificates: [{cert: '{vault://env/c}', key: '{vault://env/c}', snis: [§a.b]}]\n"),
    Rejected("schema/required", "required field missing", "snis: [§{name: a.b}]\n"),
    Rejected("reference/missing", "no such entry in 'certificates'", f"snis: [{{name: a.b, certificate: §{{id: {ID}}}}}]\n"),
    Rejected("schema/required", "required field missing", "ca_certificates: [§{}]\n"),
    Rejected("schema/format", "invalid certificate", "ca_certificates: [{cert: §x}]\n"),
    Rejected("reference/missing", "no such entry in 'ca_certificates'", f"services: [{{name: a, host: h, protocol: https, ca_certificates: [§{ID}]}}]\n"),
    Rejected("schema/required", "required field missing", "vaults: [§{name: env}]\n"),
    Rejected("schema/required", "required field missing", "vaults: [§{prefix: my-env}]\n"),
    Rejected("vault/unknown", "vault 'aws' is not installed", "vaults: [{name: §aws, prefix: my-env}]\n"),
    Rejected("schema/pattern", "invalid value: A", "vaults: [{name: env, prefix: §A}]\n"),
    Rejected("schema/pattern", "invalid value: a-", "vaults: [{name: env, prefix: §a-}]\n"),
    Rejected("schema/enum", "must not be one of: env", "vaults: [{name: env, prefix: §env}]\n"),
    Rejected("schema/pattern", "invalid value: 1a", "vaults: [{name: env, prefix: ab, config: {prefix: §1a}}]\n"),
    Rejected("unique/value", "with prefix set to 'ab'", "vaults: [{name: env, prefix: ab}, {name: env, prefix: §ab}]\n"),
    Rejected("unique/value", "with name set to 'k'", "key_sets: [{name: k}, {name: §k}]\n"),
    Rejected("schema/required", "required field missing", "keys: [§{jwk: '{vault://env/x}'}]\n"),
    Rejected("rule/one-of", "'jwk', 'pem'", "keys: [§{kid: a}]\n"),
    Rejected("rule/exclusive", "only one or none of these fields must be set: 'jwk', 'pem'", "keys: [{kid: a, jwk: '{vault://env/x}', §pem: {public_key: '{vault://env/x}'}}]\n"),
    Rejected("key/invalid", "could not json decode jwk string", "keys: [{kid: a, jwk: §x}]\n"),
    Rejected("key/invalid", "could not load JWK", "keys: [{kid: a, jwk: §'{\"kid\": \"a\"}'}]\n"),
    Rejected("key/invalid", "kid in jwk.kid must be equal to keys.kid", "keys: [{kid: a, jwk: §'{\"kty\": \"RSA\", \"kid\": \"b\"}'}]\n"),
    Rejected("rule/one-of", "'private_key', 'public_key'", "keys: [{kid: a, pem: §{private_key: null}}]\n"),
    Rejected("key/invalid", "could not load public key", "keys: [{kid: a, pem: {public_key: §x}}]\n"),
    Rejected("key/invalid", "could not load private key", "keys: [{kid: a, pem: {private_key: §x}}]\n"),
    Rejected("reference/missing", "no such entry in 'key_sets'", "keys: [{kid: a, set: §s, jwk: '{vault://env/x}'}]\n"),
    Rejected("unique/id", "'keys' entity with primary key set to", "keys: [{kid: a, jwk: '{vault://env/x}'}, §{kid: a, jwk: '{vault://env/x}'}]\n"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.message[:40])
def test_refused(case: Rejected) -> None:
    reject(case)


def test_an_authority_gets_its_digest() -> None:
    text = f"ca_certificates: [{{id: {ID}, cert: {_quoted(_certificate('rsa', ca=True))}}}]\nservices: [{{host: h, protocol: https, ca_certificates: [{ID}]}}]\n"
    entities = accept(text)
    assert len(entities.ca_certificates[0].cert_digest) == 64
    assert entities.services[0].ca_certificates == (ID,)


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (lambda: _certificate("rsa"), 'missing the "CA" basic constraint'),
        (lambda: _certificate("rsa", ca=True, days=-1), "certificate expired"),
        (lambda: _certificate("rsa", ca=True) * 2, "please submit only one certificate at a time"),
    ],
)
def test_what_is_no_authority(pem: Any, message: str) -> None:
    reject(Rejected("schema/format", message, f"ca_certificates: [{{cert: §{_quoted(pem())}}}]\n"))


def test_key_pairs() -> None:
    private, public = _quoted(_key_pem("rsa")), _quoted(_public_pem("rsa"))
    text = f"key_sets: [{{name: s, keys: [{{kid: a, pem: {{private_key: {private}, public_key: {public}}}}}]}}]\n"
    entities = accept(text)
    assert entities.keys[0].set == entities.key_sets[0].id
    other = _quoted(_public_pem("rsa2"))
    wrong = f"keys: [{{kid: a, pem: {{private_key: {private}, public_key: §{other}}}}}]\n"
    reject(Rejected("key/invalid", "public key does not match private key", wrong))


def test_a_public_key_for_tokens() -> None:
    text = f"consumers: [{{username: a, jwt_secrets: [{{algorithm: RS256, rsa_public_key: {_quoted(_public_pem('rsa'))}}}]}}]\n"
    assert accept(text).credentials[0].fields["algorithm"] == "RS256"
