"""The certificate that is shown when the settings name none: made at each start, like Kong's, for localhost.

One with an RSA key and one with an elliptic key, which is several times cheaper in every handshake; a client
gets the better one that it knows. They are kept nowhere: nobody can trust them, so nobody needs them twice.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dbless_gateway.snapshot.key_pairs import KeyPair

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

# Twenty years: an expiry that cannot be met would only be one more thing to fail.
VALID_DAYS = 20 * 365
# Clocks of clients may be behind.
BACKDATED_DAYS = 1
RSA_BITS = 2048


def self_signed_pairs() -> tuple[KeyPair, ...]:
    """Make both; the RSA key takes about a tenth of a second."""
    # Imported here: it takes as long as making the keys, and most gateways are given certificates.
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    return (_pair(rsa.generate_private_key(65537, RSA_BITS)), _pair(ec.generate_private_key(ec.SECP256R1())))


def _pair(key: CertificateIssuerPrivateKeyTypes) -> KeyPair:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "dbless-gateway"),
            x509.NameAttribute(NameOID.COMMON_NAME, "localhost"),
        ]
    )
    now = datetime.now(UTC)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=BACKDATED_DAYS))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )
    text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(text, secret.decode())
