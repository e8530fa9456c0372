"""What no test of the jwt plugin shows: the short ways of reading a token find what the long ones find."""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbless_gateway.pdk.json_web_tokens import Decoder, Refused, Times, bearer_token

HEADER = b'{"alg":"HS256"}'
# The oddities that JSON parsers disagree about, with what a strict reader of Python's own makes of them.
ODD_CLAIMS = [
    b'{"name":"\\ud83d"}',
    b'{"exp":1e999}',
    b'{"exp":NaN}',
    b'{"exp":-Infinity}',
    b'{"iss":"a","iss":"b"}',
    b'\xef\xbb\xbf{"iss":"a"}',
    '{"iss":"a"}'.encode("utf-16"),
    b'{"iss":"\xff"}',
    b' {"iss":"a"}\n',
    b'{"iss":"a"}x',
    b"{'iss':1}",
    b'{"iss":01}',
    b'{"exp":1.}',
    b'{"exp":' + b"1" * 5000 + b"}",
    b'{"iss":' + b"[" * 100_000 + b"}",
    b'{"a":"\n"}',
    b'"text"',
    b"null",
    b"[]",
    b"",
]


def text_of(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(payload: str, header: str = text_of(HEADER), decoder: Decoder | None = None) -> Any:
    """Return the claims as the decoder reads them; None: refused."""
    try:
        return (decoder or Decoder()).decode(f"{header}.{payload}.AAAA").claims
    except Refused:
        return None


def plainly_read(payload: str) -> Any:
    """Return the claims as the standard library alone reads them; None: refused."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    text = payload.rstrip("=")
    try:
        raw = b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
        claims = json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


@pytest.mark.parametrize("raw", ODD_CLAIMS)
def test_odd_claims(raw: bytes) -> None:
    assert claims_of(text_of(raw)) == plainly_read(text_of(raw))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(), st.lists, max_leaves=5
    ),
    st.data(),
)
def test_any_claims_in_any_spelling(value: Any, data: st.DataObject) -> None:
    raw = json.dumps({"iss": value}, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass")
    payload = data.draw(st.sampled_from([text_of(raw), text_of(raw) + "=", text_of(raw).replace("_", "/")]))
    at = data.draw(st.integers(0, len(payload)))
    spelled = (
        payload[:at]
        + data.draw(st.sampled_from(["", "=", "==", "!", "+", "A", "\n", " ", "é"]))
        + payload[at:]
    )

    assert claims_of(spelled) == plainly_read(spelled)


def test_an_integer_beyond_64_bits_is_about_as_large() -> None:
    assert claims_of(text_of(b'{"exp":123456789012345678901234567890}')) == {
        "exp": pytest.approx(1.2345678901e29)
    }


@given(
    st.lists(st.sampled_from(["Bearer", "bearer", "BEARER", " ", "\t", "\xa0", "token", "é"])).map("".join)
)
@example("Bearer ")
@example("Bearer  x")
@example("Bearer x y ")
def test_the_short_way_to_a_bearer_token(line: str) -> None:
    found = re.search(r"[Bb]earer\s+(.+)", line)

    assert bearer_token(line) == (found and found[1])


def test_a_header_that_was_seen_before_is_the_same_header() -> None:
    decoder = Decoder()
    tokens = [decoder.decode(f"{text_of(HEADER)}.{text_of(b'{}')}.AAAA") for _ in range(2)]

    assert tokens[0].header is tokens[1].header
    assert [(token.algorithm, token.header) for token in tokens] == [("HS256", {"alg": "HS256"})] * 2


def test_headers_that_clients_make_up_do_not_pile_up() -> None:
    decoder = Decoder()
    made_up = [text_of(b'{"alg":"HS256","kid":"%d"}' % number) for number in range(1000)]
    long = text_of(b'{"alg":"HS256","kid":"%b"}' % (b"x" * 1000))
    for header in (*made_up, long, long):
        assert claims_of(text_of(b"{}"), header, decoder) == {}

    assert len(decoder._headers) <= 64
    assert long not in decoder._headers


@pytest.mark.parametrize("raw", [b"[]", b'{"alg":"none"}', b'{"alg":["HS256"]}', b'{"alg":"hs256"}', b"{}"])
def test_a_header_that_is_refused_is_refused_again(raw: bytes) -> None:
    decoder = Decoder()

    assert [claims_of(text_of(b"{}"), text_of(raw), decoder) for _ in range(2)] == [None, None]


def test_an_end_beyond_all_numbers_is_too_far_away() -> None:
    with pytest.raises(Refused, match="exceeds maximum"):
        Times(300.0).check({"exp": 10**400}, ("exp",), 0.0)
