"""What no test of the jwt plugin shows: keys that cannot be used."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.signatures import ALGORITHMS, make_jwk_verifier, make_verifier


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.parametrize("key", [None, ""])
def test_no_key(algorithm: str, key: str | None) -> None:
    assert make_verifier(algorithm, key, is_base64=False) is None


@pytest.mark.parametrize("algorithm", sorted(name for name in ALGORITHMS if not name.startswith("HS")))
def test_what_is_no_public_key(algorithm: str) -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"

    assert make_verifier(algorithm, "text", is_base64=False) is None
    assert make_verifier(algorithm, pem, is_base64=False) is None


def test_base64_of_both_alphabets() -> None:
    for key in ("-_8=", "+/8", "-_8"):
        verify = make_verifier("HS256", key, is_base64=True)
        assert verify is not None
        assert not verify(b"x", b"y")
    assert make_verifier("HS256", "no!", is_base64=True) is None


@pytest.mark.parametrize("algorithm", [*sorted(ALGORITHMS), "none"])
@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA"},
        {"kty": "RSA", "n": 5, "e": []},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": ["EC"]},
    ],
)
def test_what_is_no_key_of_an_issuer(algorithm: str, jwk: dict[str, object]) -> None:
    assert make_jwk_verifier(algorithm, jwk) is None
