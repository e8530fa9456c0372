"""Checks of signatures in the algorithms of JSON Web Tokens.

HMAC needs only the standard library; for the others PyJWT and cryptography are imported when there is such a
key. A verifier never raises: whatever is wrong with a signature, it is not valid.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Callable
from hmac import compare_digest
from typing import Any

Verifier = Callable[[bytes, bytes], bool]

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
# RFC 2104 section 2: what the key is mixed with.
_INNER_PAD, _OUTER_PAD = bytes(byte ^ 0x36 for byte in range(256)), bytes(byte ^ 0x5C for byte in range(256))
_PUBLIC_KEY = frozenset(
    {
        *("RS256", "RS384", "RS512"),
        *("PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512"),
        "EdDSA",
    }
)
ALGORITHMS = frozenset({*_PUBLIC_KEY, *_DIGESTS})

# The only kind of JSON Web Key that an algorithm may use; HMAC has none, so that no public key becomes its
# secret.
_KEY_TYPES = {name: {"R": "RSA", "P": "RSA", "E": "EC"}[name[0]] for name in _PUBLIC_KEY - {"EdDSA"}}
_KEY_TYPES["EdDSA"] = "OKP"

_PUBLIC_MEMBERS = frozenset({"kty", "n", "e", "crv", "x", "y"})

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


def make_jwk_verifier(algorithm: str, jwk: dict[str, Any]) -> Verifier | None:
    """Return a function of (signed bytes, signature) for a JSON Web Key; None when the key is not for it."""
    if jwk.get("kty") != _KEY_TYPES.get(algorithm, "none") or jwk.get("alg", algorithm) != algorithm:
        return None
    if jwk.get("use", "sig") != "sig":
        return None
    from cryptography.exceptions import UnsupportedAlgorithm
    from jwt import get_algorithm_by_name
    from jwt.exceptions import PyJWTError

    public = {name: value for name, value in jwk.items() if name in _PUBLIC_MEMBERS}
    try:
        key = get_algorithm_by_name(algorithm).from_jwk(public)
    except (PyJWTError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return None
    return _public_key_verifier(algorithm, key)


def _hmac_verifier(algorithm: str, secret: bytes) -> Verifier:
    """Return a verifier that mixed the key in once (RFC 2104 section 4): it costs half of ``hmac.digest``."""
    make = _DIGESTS[algorithm]
    block_bytes = make().block_size
    padded = (make(secret).digest() if len(secret) > block_bytes else secret).ljust(block_bytes, b"\0")
    inner, outer = make(padded.translate(_INNER_PAD)), make(padded.translate(_OUTER_PAD))

    def verify(signed: bytes, signature: bytes) -> bool:
        digest = inner.copy()
        digest.update(signed)
        mac = outer.copy()
        mac.update(digest.digest())
        return compare_digest(mac.digest(), signature)

    return verify


def _public_key_verifier(algorithm: str, pem: Any) -> Verifier | None:
    """Return a verifier for a PEM text, or for a key object of the library's."""
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
