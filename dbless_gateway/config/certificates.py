"""Certificates and private keys: can they be read, do they belong together.

``cryptography`` is heavy, so it is imported only when a file really contains a certificate. Messages never
contain any part of a key.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

# Authorities that renew by machine do so a month ahead; what is nearer to its end was forgotten.
EXPIRES_SOON = timedelta(days=21)

_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)


def certificate_fault(pem: str) -> str | None:
    """Return why this text is not a certificate chain, or None."""
    kinds = _PEM_BLOCK.findall(pem)
    if "CERTIFICATE" not in kinds:
        return "invalid certificate: no PEM block CERTIFICATE"
    try:
        _load_chain(pem)
    except ValueError as error:
        return f"invalid certificate: {_reason(error)}"
    return None


def private_key_fault(pem: str) -> str | None:
    """Return why this text is not a private key, or None."""
    if not any(kind.endswith("PRIVATE KEY") for kind in _PEM_BLOCK.findall(pem)):
        return "invalid key: no PEM block PRIVATE KEY"
    try:
        _load_private_key(pem)
    except (ValueError, TypeError):
        # The reason is left out: it may quote bytes of the key.
        return "invalid key: the PEM block cannot be decoded"
    return None


def public_key_fault(pem: str) -> str | None:
    """Return why this text is not a public key, or None."""
    try:
        _public_bytes(_load_public_key(pem))
    except (ValueError, TypeError):
        return "invalid key"
    return None


def ca_certificate_fault(pem: str) -> str | None:
    """Return why this text is not one certificate of an authority, or None."""
    fault = certificate_fault(pem)
    if fault is not None:
        return fault
    chain = _load_chain(pem)
    if len(chain) > 1:
        return "please submit only one certificate at a time"
    if chain[0].not_valid_after_utc < datetime.now(UTC):
        return 'certificate expired, "Not After" time is in the past'
    if not _is_ca(chain[0]):
        return 'certificate does not appear to be a CA because it is missing the "CA" basic constraint'
    return None


def digest(pem: str) -> str:
    """Return the SHA-256 (hex) of the first certificate."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return sha256(_load_chain(pem)[0].public_bytes(Encoding.DER)).hexdigest()


def expires_at(pem: str) -> datetime:
    """Return when the first of the chain's certificates expires."""
    return min(certificate.not_valid_after_utc for certificate in _load_chain(pem))


def expiry_warning(pem: str, now: datetime) -> str | None:
    """Return what is to be said about a certificate that has expired or soon will; None: nothing.

    Nothing is said either of a text that is no certificate: a secret can be anything, and its user tells.
    """
    try:
        end = expires_at(pem)
    except ValueError:
        return None
    if end > now + EXPIRES_SOON:
        return None
    return f"the certificate {'expires' if end > now else 'expired'} on {end:%Y-%m-%d at %H:%M} UTC"


def matches_key(certificate: str, key: str) -> bool:
    """Tell whether the private key belongs to the first certificate."""
    return _public_bytes(_load_chain(certificate)[0].public_key()) == _public_bytes(
        _load_private_key(key).public_key()
    )


def public_matches_private(public: str, private: str) -> bool:
    """Tell whether the two halves of a key pair belong together."""
    return _public_bytes(_load_public_key(public)) == _public_bytes(_load_private_key(private).public_key())


def key_kind(certificate: str) -> str:
    """Return the kind of the certificate's key (RSA, EC, ...)."""
    return type(_load_chain(certificate)[0].public_key()).__name__


def _load_chain(pem: str) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    return load_pem_x509_certificates(pem.encode())


def _load_private_key(pem: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem.encode(), password=None)


def _load_public_key(pem: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    return load_pem_public_key(pem.encode())


def _public_bytes(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _is_ca(certificate: Certificate) -> bool:
    from cryptography.x509 import BasicConstraints, ExtensionNotFound

    try:
        return certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    except ExtensionNotFound:
        return False


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0] or "the PEM block cannot be decoded"
