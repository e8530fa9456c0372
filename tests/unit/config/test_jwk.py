"""JSON Web Keys that can be loaded, and one of each kind that cannot."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x448

from dbless_gateway.config.jwk import can_be_loaded


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8))


def _rsa() -> dict[str, Any]:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}


def _ec() -> dict[str, Any]:
    numbers = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    return {"kty": "EC", "crv": "P-384", "x": _number(numbers.x), "y": _number(numbers.y)}


def _okp(crv: str, raw: bytes) -> dict[str, Any]:
    return {"kty": "OKP", "crv": crv, "x": _text(raw)}


ED25519 = _okp("Ed25519", ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw())
X448 = _okp("X448", x448.X448PrivateKey.generate().public_key().public_bytes_raw())
EC = _ec()
RSA = _rsa()


@pytest.mark.parametrize(
    "jwk", [{"kty": "oct", "k": "AQAB"}, RSA, EC, ED25519, X448, EC | {"d": "AQAB"}, RSA | {"e": "AQAB=="}]
)
def test_good_keys(jwk: dict[str, Any]) -> None:
    assert can_be_loaded(jwk)


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": 5},
        {"kty": "oct"},
        {"kty": "oct", "k": ""},
        {"kty": "RSA", "e": "AQAB"},
        RSA | {"n": 5},
        RSA | {"n": ""},
        RSA | {"e": "AQ"},
        RSA | {"n": "not base64!"},
        EC | {"crv": "P-256"},
        EC | {"crv": ["P-384"]},
        EC | {"y": EC["x"]},
        EC | {"d": 5},
        ED25519 | {"x": "AQAB"},
        X448 | {"crv": "Ed25519"},
    ],
)
def test_bad_keys(jwk: dict[str, Any]) -> None:
    assert not can_be_loaded(jwk)
