"""Checks of signatures in the algorithms of JSON Web Tokens.

HMAC needs only the standard library; for the others PyJWT and cryptography are imported when there is such a
key. A verifier never raises: whatever is wrong with a signature, it is not valid.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Callable

Verifier = Callable[[bytes, bytes], bool]

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_PUBLIC_KEY = frozenset(
    {
        *("RS256", "RS384", "RS512"),
        *("PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512"),
        "EdDSA",
    }
)
ALGORITHMS = _PUBLIC_KEY | _DIGESTS.keys()

# Bytes of a signature: two numbers of the curve's size. PyJWT takes any even length.
_SIGNATURE_BYTES = {"ES256": 64, "ES384": 96, "ES512": 132}


def preload(algorithm: str) -> None:
    """Import what an algorithm needs now, at a reload, and not while the first request waits for it."""
    if algorithm in _PUBLIC_KEY:
        import jwt.algorithms  # noqa: F401


def make_verifier(algorithm: str, key: str | None, *, is_base64: bool) -> Verifier | None:
    """Return a function of (signed bytes, signature); None when the key cannot be used."""
    if not key:
        return None
    if algorithm not in _DIGESTS:
        return _public_key_verifier(algorithm, key)
    secret = _decode(key) if is_base64 else key.encode()
    return None if secret is None else _hmac_verifier(algorithm, secret)


def _hmac_verifier(algorithm: str, secret: bytes) -> Verifier:
    digest = _DIGESTS[algorithm]().name
    return lambda signed, signature: hmac.compare_digest(hmac.digest(secret, signed, digest), signature)


def _public_key_verifier(algorithm: str, pem: str) -> Verifier | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from jwt import get_algorithm_by_name
    from jwt.exceptions import PyJWTError

    implementation = get_algorithm_by_name(algorithm)
    try:
        key = implementation.prepare_key(pem)
    except (PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    wanted_bytes = _SIGNATURE_BYTES.get(algorithm)

    def verify(signed: bytes, signature: bytes) -> bool:
        if wanted_bytes is not None and len(signature) != wanted_bytes:
            return False
        try:
            return bool(implementation.verify(signed, key, signature))
        except (PyJWTError, ValueError):
            return False

    return verify


def _decode(text: str) -> bytes | None:
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        return None
