"""The compiled twin of ``http1.splitting`` answers as the regular expressions do, for every good head."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.http1.request_head import Judge, Refusal
from dbless_gateway.http1.splitting import REQUEST_NAMES, RESPONSE_NAMES, split_request, split_response
from tests.support.compiled import built

compiled: Any = built("dbless_gateway.http1._splitting")

KNOWN = st.sampled_from([name.encode() for name in (*REQUEST_NAMES, *RESPONSE_NAMES)])
ODD = st.text("-_.!~aXhtC09", min_size=1, max_size=12).map(str.encode)
# Names that begin or end as the known ones do.
NEAR = st.tuples(KNOWN, st.sampled_from([b"", b"x", b"-", b"_"])).map(b"".join) | KNOWN.map(
    lambda name: name[:-1]
)
NAMES = st.one_of(KNOWN, KNOWN.map(bytes.title), KNOWN.map(bytes.upper), NEAR, ODD)
VALUES = st.text('a ,:;\t="ä\x01\x7f', max_size=20).map(lambda text: text.encode("latin-1"))
LINES = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"POST /a?b HTTP/1.1",
        b"GET /?a?b HTTP/1.0",
        b"PUT * HTTP/1.1",
        b"GET http://b/c?d HTTP/1.1",
    ]
)
STATUS_LINES = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK",
            b"HTTP/1.0 404 Not Found",
            b"HTTP/1.1 204",
            b"HTTP/1.1 200 ",
            b"HTTP/1.1 999 \xe4",
        ),
        *(
            b"HTTP/1.1 099 No",
            b"HTTP/1.2 200 OK",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 20",
            b"",
            b"HTTP/1.1 200 a\x01",
        ),
    ]
)
BLOCKS = st.lists(st.tuples(NAMES, VALUES).map(lambda pair: b"%b:%b\r\n" % pair), max_size=8).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(BLOCKS, LINES, st.binary(max_size=20))
def test_requests(block: bytes, line: bytes, rest: bytes) -> None:
    data = line + b"\r\nHost: a\r\n" + block + b"\r\n" + rest
    split = split_request(data)
    assert split is not None
    try:
        Judge().check(data[: split[0]])
    except Refusal:
        return
    assert compiled.split_request(data) == split


@settings(max_examples=400, deadline=None)
@given(BLOCKS, STATUS_LINES, st.binary(max_size=20))
def test_responses(block: bytes, line: bytes, rest: bytes) -> None:
    data = line + b"\r\n" + block + b"\r\n" + rest
    theirs, ours = compiled.split_response(data), split_response(data)
    assert theirs is not None
    assert ours is not None
    if ours[2]:
        assert theirs[:9] == ours[:9]
    if theirs[9]:  # Then the judge accepts it, too.
        parser = httptools.HttpResponseParser(object())
        with suppress(httptools.HttpParserUpgrade):
            parser.feed_data(data[: theirs[0]])
    if not ours[2]:  # Nobody reads on.
        assert (theirs[0], theirs[2]) == (ours[0], 0)


def test_a_block_larger_than_the_stack() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Long: 0123456789abcdef\r\n" * 1000 + b"\r\n"
    assert compiled.split_request(data) == split_request(data)


@given(st.binary(max_size=60))
def test_nothing_makes_it_fail(junk: bytes) -> None:
    for data in (junk, b"\r\n" + junk + b"\r\n\r\n", b"a\r\nhost:" + junk, junk.replace(b"\0", b"\r\n")):
        end = data.find(b"\r\n\r\n") + 4
        for split in (compiled.split_request(data), compiled.split_response(data)):
            assert (split is None) == (end < 4)
            assert split is None or split[0] == end


def test_an_ordinary_response_needs_no_judge() -> None:
    data = b"HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc"
    assert compiled.split_response(data)[8:] == (True, True)
    assert not compiled.split_response(data.replace(b"a\r", b"\x01\r"))[9]
    assert not compiled.split_response(data.replace(b"keep-alive", b"close"))[9]
    assert not compiled.split_response(data.replace(b"Server:", b"Server :"))[9]
