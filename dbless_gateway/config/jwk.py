"""JSON Web Keys: whether a key can be loaded.

The public half is built, which tells bad numbers, points that are not on their curve and unknown curves. Of a
symmetric key there is nothing to know but that it is there. The cryptography package is imported when the
first key is judged: few files have one.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Jwk = Mapping[str, Any]

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")


def can_be_loaded(jwk: Jwk) -> bool:
    """Tell whether this is a symmetric, RSA, EC or Edwards key whose parts fit together."""
    kind = jwk.get("kty")
    build = _BUILDERS.get(kind) if isinstance(kind, str) else None
    if build is None:
        return False
    try:
        build(jwk)
        if "d" in jwk:
            _bytes(jwk, "d")
    except (ValueError, KeyError, TypeError):
        return False
    return True


def _bytes(jwk: Jwk, name: str) -> bytes:
    text = jwk[name]
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        raise ValueError(name)
    digits = text.rstrip("=")
    return urlsafe_b64decode(digits + "=" * (-len(digits) % 4))


def _number(jwk: Jwk, name: str) -> int:
    return int.from_bytes(_bytes(jwk, name))


def _oct(jwk: Jwk) -> None:
    _bytes(jwk, "k")


def _rsa(jwk: Jwk) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n")).public_key()


def _ec(jwk: Jwk) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), curves[jwk["crv"]])
    numbers.public_key()


def _okp(jwk: Jwk) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, x448, x25519

    loaders: dict[str, Callable[[bytes], object]] = {
        "Ed25519": ed25519.Ed25519PublicKey.from_public_bytes,
        "Ed448": ed448.Ed448PublicKey.from_public_bytes,
        "X25519": x25519.X25519PublicKey.from_public_bytes,
        "X448": x448.X448PublicKey.from_public_bytes,
    }
    loaders[jwk["crv"]](_bytes(jwk, "x"))


_BUILDERS: Mapping[str, Callable[[Jwk], None]] = MappingProxyType(
    {"oct": _oct, "RSA": _rsa, "EC": _ec, "OKP": _okp}
)
