"""A certificate authority of a test's own: certificates for any names, of any kind of key and any age.

Keys are elliptic unless a test is about RSA: these take no time to make.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Pem(NamedTuple):
    """A certificate and its key as text."""

    cert: str
    key: str


class Authority:
    """Issues certificates; an ``issuer`` makes it an intermediate one."""

    def __init__(self, name: str = "Test authority", issuer: Authority | None = None) -> None:
        self._key: PrivateKey = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._issuer = issuer
        by = issuer or self
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = _builder(self._name, by._name, self._key, days=30).add_extension(constraints, critical=True)
        self._certificate = builder.sign(by._key, hashes.SHA256())

    @property
    def cert(self) -> str:
        """The authority's own certificate."""
        return _cert_text(self._certificate)

    @property
    def own(self) -> Pem:
        """The authority's own certificate with its key: self-signed, unless somebody issued it."""
        return Pem(self.cert, _key_text(self._key))

    @property
    def chain(self) -> str:
        """The certificates that a server sends behind its own: all intermediate ones."""
        return "" if self._issuer is None else self.cert + self._issuer.chain

    def issue(
        self, *names: str, days: float = 30, key: PrivateKey | None = None, common_name: str | None = None
    ) -> Pem:
        """Return a certificate for these names; with negative ``days`` it has expired."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name or names[0]), self._name, key, days=days)
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        certificate = builder.add_extension(alternatives, critical=False).sign(self._key, hashes.SHA256())
        return Pem(_cert_text(certificate) + self.chain, _key_text(key))


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Make an RSA key."""
    return rsa.generate_private_key(65537, bits)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, *, days: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
    )


def _cert_text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_text(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
