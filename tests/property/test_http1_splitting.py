"""The compiled twin of ``http1.splitting`` answers as the regular expressions do, for every good head."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.http1.request_head import Judge, Refusal
from dbless_gateway.http1.splitting import REQUEST_NAMES, RESPONSE_NAMES, split_request, split_response

compiled: Any = pytest.importorskip("dbless_gateway.http1._splitting", reason="needs the compiled build")

KNOWN = st.sampled_from([name.encode() for name in (*REQUEST_NAMES, *RESPONSE_NAMES)])
ODD = st.text("-_.!~aXhtC09", min_size=1, max_size=12).map(str.encode)
# Names that begin or end as the known ones do.
NEAR = st.tuples(KNOWN, st.sampled_from([b"", b"x", b"-", b"_"])).map(b"".join) | KNOWN.map(
    lambda name: name[:-1]
)
NAMES = st.one_of(KNOWN, KNOWN.map(bytes.title), KNOWN.map(bytes.upper), NEAR, ODD)
VALUES = st.text('a ,:;\t="ä', max_size=20).map(lambda text: text.encode("latin-1"))
BLOCKS = st.lists(st.tuples(NAMES, VALUES).map(lambda pair: b"%b:%b\r\n" % pair), max_size=8).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(BLOCKS)
def test_requests(block: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + block + b"\r\n"
    try:
        Judge().check(head)
    except Refusal:
        return
    assert compiled.split_request(head) == split_request(head)


@settings(max_examples=400, deadline=None)
@given(BLOCKS)
def test_responses(block: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + block + b"\r\n"
    assert compiled.split_response(head) == split_response(head)


@given(st.binary(max_size=60))
def test_nothing_makes_it_fail(junk: bytes) -> None:
    for head in (junk, b"\r\n" + junk + b"\r\n\r\n", b"a\r\nhost:" + junk):
        assert len(compiled.split_request(head)) == 3
        assert len(compiled.split_response(head)) == 3
