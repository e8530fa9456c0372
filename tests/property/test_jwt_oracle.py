"""The jwt plugin and PyJWT agree on which tokens a secret has signed, and on what they say."""

from __future__ import annotations

import hashlib
import hmac
import json
import string
from base64 import urlsafe_b64encode
from typing import Any

import jwt as jose
from hypothesis import given
from hypothesis import strategies as st

from dbless_gateway.pdk.json_web_tokens import Decoder, Refused
from dbless_gateway.pdk.signatures import make_verifier

# Nearly as long as a block of SHA-512, and longer than one of SHA-256.
SECRET = "a secret that is long enough for HS512: 0123456789abcdef0123456789abcdef"
DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
PLAIN = frozenset(string.ascii_letters + string.digits + "-_.")
UNCHECKED: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}

names = st.sampled_from(["iss", "exp", "nbf", "sub", "a"])
values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5)
)
claims = st.dictionaries(names, values, max_size=4)
algorithms = st.sampled_from([*DIGESTS, "none", "HS1", "hs256", "RS256", "", None, 5, ["HS256"]])
headers = st.fixed_dictionaries({"alg": algorithms}, optional={"typ": values, "jku": st.text(max_size=5)})
scraps = st.sampled_from(["", ".", "=", "A", "-", "_", "+", "/", "!", "\n", "é", "e30"])


def part(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@st.composite
def tokens(draw: st.DrawFn) -> str:
    """Signed tokens, most of them right; one may be changed before it is signed, and after."""
    header = draw(st.just({"alg": "HS256", "typ": "JWT"}) | headers)
    raw = draw(
        claims.map(json.dumps) | st.sampled_from(["[]", "null", "{", '{"iss":"a","iss":"b"}', ' {"a":1} '])
    )
    signed = _changed(draw, f"{part(json.dumps(header).encode())}.{part(raw.encode())}")
    algorithm = header["alg"]
    digest = DIGESTS.get(algorithm if isinstance(algorithm, str) else "", hashlib.sha256)
    mac = hmac.digest(SECRET.encode(), signed.encode(), digest)
    return _changed(draw, f"{signed}.{part(mac)}")


def _changed(draw: st.DrawFn, text: str) -> str:
    if draw(st.integers(0, 3)):
        return text
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(scraps) + text[at + draw(st.integers(0, 3)) :]


def _ours(text: str, decoder: Decoder) -> dict[str, Any] | None:
    try:
        token = decoder.decode(text)
    except Refused:
        return None
    verify = make_verifier(token.algorithm, SECRET, is_base64=False) if token.algorithm in DIGESTS else None
    return token.claims if verify is not None and verify(token.signed, token.signature) else None


def _theirs(text: str) -> dict[str, Any] | None:
    try:
        decoded: dict[str, Any] = jose.decode(text, SECRET, algorithms=list(DIGESTS), options=UNCHECKED)
    except jose.InvalidTokenError:
        return None
    return decoded


@given(st.lists(tokens(), min_size=1, max_size=3))
def test_the_same_verdicts(texts: list[str]) -> None:
    decoder = Decoder()
    for text in texts:
        ours, theirs = _ours(text, decoder), _theirs(text)

        # PyJWT skips what is not base64; we accept less, and never more.
        assert ours is None or ours == theirs
        if PLAIN.issuperset(text):
            assert ours == theirs


@given(st.binary(min_size=1, max_size=300), st.binary(max_size=300), st.sampled_from(sorted(DIGESTS)))
def test_the_same_signatures(secret: bytes, signed: bytes, algorithm: str) -> None:
    text = secret.hex()
    verify = make_verifier(algorithm, text, is_base64=False)
    right = hmac.digest(text.encode(), signed, DIGESTS[algorithm])

    assert verify is not None
    assert verify(signed, right)
    assert verify(signed, right)
    assert not verify(signed + b"\0", right)
    assert not verify(signed, right[:-1])
