"""Where a request ends: every way known to us to make two readers disagree about it.

RFC 9112 section 6 and 7; RFC 9110 section 6.5. Refused rows are 400 unless said otherwise.
"""

from __future__ import annotations

import pytest

from tests.compat.wire.corpus import HOST, Seen, check_passed, check_refused, play

POST = b"POST /a HTTP/1.1\r\n" + HOST
SMUGGLED = b"GET /evil HTTP/1.1\r\nHost: evil.test\r\n\r\n"
ZERO = b"0\r\n\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """Return a POST with these header lines."""
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """Return a POST with this as its chunked body."""
    return post(b"Transfer-Encoding: chunked", body=body)


CL, TE = b"Content-Length: ", b"Transfer-Encoding: "

REFUSED_LENGTHS = {
    "plus": b"+3",
    "minus": b"-3",
    "minus zero": b"-0",
    "hexadecimal": b"0x3",
    "exponent": b"3e0",
    "fraction": b"3.0",
    "empty": b"",
    "blank": b"   ",
    "word": b"three",
    "quoted": b'"3"',
    "two equal in a list": b"3, 3",
    "two equal without blank": b"3,3",
    "two in a list": b"3, 4",
    "comma behind": b"3,",
    "comma before": b",3",
    "semicolon": b"3;q=1",
    "blank inside": b"1 3",
    "tab inside": b"1\t3",
    "underscore": b"1_3",
    "above 64 bits": b"18446744073709551616",
    "far above 64 bits": b"9" * 40,
    "arabic digits": "\u0663".encode(),
    "superscript": "\u00b3".encode("latin-1"),
    "vertical tab before": b"\x0b3",
    "form feed behind": b"3\x0c",
    "nul behind": b"3\x00",
    "newline word": b"3\\n",
}


@pytest.mark.parametrize("value", REFUSED_LENGTHS.values(), ids=REFUSED_LENGTHS.keys())
def test_refused_length(value: bytes) -> None:
    check_refused(post(CL + value, body=b"abc"), 400)


PASSED_LENGTHS = {
    "plain": (b"3", b"abc"),
    "no blank": (b"3", b"abc"),
    "tab before": (b"\t3", b"abc"),
    "blanks behind": (b"3  ", b"abc"),
    "leading zeros": (b"0003", b"abc"),
    "zero": (b"0", b""),
    "zeros": (b"000", b""),
}


@pytest.mark.parametrize(("value", "body"), PASSED_LENGTHS.values(), ids=PASSED_LENGTHS.keys())
def test_passed_length(value: bytes, body: bytes) -> None:
    check_passed(post(CL + value, body=body), Seen("POST", "/a", [("Content-Length", str(len(body)))], body))


REFUSED_FRAMINGS = {
    "length and coding": (post(CL + b"5", TE + b"chunked", body=ZERO), 400),
    "coding and length": (post(TE + b"chunked", CL + b"5", body=ZERO), 400),
    "zero length and coding": (post(CL + b"0", TE + b"chunked", body=ZERO), 400),
    "length and hidden coding": (post(CL + b"5", TE + b"xchunked", body=ZERO), 400),
    "two equal lengths": (post(CL + b"3", CL + b"3", body=b"abc"), 400),
    "two lengths": (post(CL + b"3", CL + b"4", body=b"abcd"), 400),
    "two lengths in two spellings": (post(CL + b"3", b"content-length: 4", body=b"abcd"), 400),
    "three lengths": (post(CL + b"3", CL + b"3", CL + b"3", body=b"abc"), 400),
    "blank before the colon": (post(b"Content-Length : 3", body=b"abc"), 400),
    "tab before the colon": (post(b"Content-Length\t: 3", body=b"abc"), 400),
    "blank before the colon of a coding": (post(b"Transfer-Encoding : chunked", body=ZERO), 400),
    "blank before the name": (post(b" Content-Length: 3", body=b"abc"), 400),
    "folded length": (post(b"Content-Length:", b" 3", body=b"abc"), 400),
    "folded coding": (post(b"Transfer-Encoding:", b" chunked", body=ZERO), 400),
    "folded end of a coding": (post(TE + b"chunked", b" , identity", body=ZERO), 400),
    "coding behind a bare LF": (post(b"X: y\nTransfer-Encoding: chunked", body=ZERO), 400),
    "length behind a bare LF": (post(b"X: y\nContent-Length: 3", body=b"abc"), 400),
    "coding behind a bare CR": (post(b"X: y\rTransfer-Encoding: chunked", body=ZERO), 400),
    "length behind a nul": (post(b"X: y\0Content-Length: 3", body=b"abc"), 400),
    "name with a nul": (post(b"Content-Length\0: 3", body=b"abc"), 400),
    "coding: empty": (post(TE, body=ZERO), 400),
    "coding: identity": (post(TE + b"identity"), 400),
    "coding: gzip": (post(TE + b"gzip", body=ZERO), 400),
    "coding: chunked twice": (post(TE + b"chunked, chunked", body=ZERO), 400),
    "coding: chunked in two lines": (post(TE + b"chunked", TE + b"chunked", body=ZERO), 400),
    "coding: chunked then identity": (post(TE + b"chunked", TE + b"identity", body=ZERO), 400),
    "coding: identity then chunked": (post(TE + b"identity", TE + b"chunked", body=ZERO), 501),
    "coding: chunked, identity": (post(TE + b"chunked, identity", body=ZERO), 400),
    "coding: identity, chunked": (post(TE + b"identity, chunked", body=ZERO), 501),
    "coding: gzip, chunked": (post(TE + b"gzip, chunked", body=ZERO), 501),
    "coding: x in front": (post(TE + b"xchunked", body=ZERO), 400),
    "coding: letters behind": (post(TE + b"chunkedx", body=ZERO), 400),
    "coding: semicolon": (post(TE + b"chunked;q=1", body=ZERO), 400),
    "coding: quoted": (post(TE + b'"chunked"', body=ZERO), 400),
    "coding: comma behind": (post(TE + b"chunked,", body=ZERO), 400),
    "coding: comma before": (post(TE + b",chunked", body=ZERO), 501),
    "coding: vertical tab": (post(TE + b"\x0bchunked", body=ZERO), 400),
    "coding: form feed": (post(TE + b"chunked\x0c", body=ZERO), 400),
    "coding: tab behind": (post(TE + b"chunked\t", body=ZERO), 400),
    "coding: nul": (post(TE + b"chunked\0", body=ZERO), 400),
    "coding: high byte": (post(TE + b"chunked\xa0", body=ZERO), 400),
    "coding in HTTP/1.0": (b"POST /a HTTP/1.0\r\n" + HOST + TE + b"chunked\r\n\r\n" + ZERO, 400),
    "length and coding in HTTP/1.0": (
        b"POST /a HTTP/1.0\r\n" + HOST + CL + b"3\r\n" + TE + b"chunked\r\n\r\n" + ZERO,
        400,
    ),
}


@pytest.mark.parametrize(("raw", "status"), REFUSED_FRAMINGS.values(), ids=REFUSED_FRAMINGS.keys())
def test_refused_framing(raw: bytes, status: int) -> None:
    check_refused(raw, status)


PASSED_FRAMINGS = {
    "length named away": (post(b"Connection: content-length", CL + b"3", body=b"abc"), b"abc"),
    "coding named away": (
        post(b"Connection: Transfer-Encoding, close-not", TE + b"chunked", body=b"3\r\nabc\r\n" + ZERO),
        b"abc",
    ),
    "host named away": (post(b"Connection: host", CL + b"3", body=b"abc"), b"abc"),
    "coding in capitals": (post(TE + b"CHUNKED", body=b"3\r\nabc\r\n" + ZERO), b"abc"),
    "coding with blanks": (post(TE + b" \tchunked  ", body=b"3\r\nabc\r\n" + ZERO), b"abc"),
    "name in capitals": (post(b"TRANSFER-ENCODING: chunked", body=b"3\r\nabc\r\n" + ZERO), b"abc"),
    "request inside a body": (post(CL + b"%d" % len(SMUGGLED), body=SMUGGLED), SMUGGLED),
    "request inside a chunk": (
        chunked(b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED) + ZERO),
        SMUGGLED,
    ),
    "look-alike with underscores": (post(b"Content_Length: 99", b"Transfer_Encoding: chunked"), b""),
    "dropped odd names": (post(b"Content-Length!: 99", b"Transfer.Encoding: chunked"), b""),
}


@pytest.mark.parametrize(("raw", "body"), PASSED_FRAMINGS.values(), ids=PASSED_FRAMINGS.keys())
def test_passed_framing(raw: bytes, body: bytes) -> None:
    check_passed(raw, Seen("POST", "/a", [("Host", "10.1.1.1")], body))


REFUSED_CHUNKS = {
    "size: empty": b"\r\nabc\r\n" + ZERO,
    "size: plus": b"+3\r\nabc\r\n" + ZERO,
    "size: minus": b"-3\r\nabc\r\n" + ZERO,
    "size: 0x": b"0x3\r\nabc\r\n" + ZERO,
    "size: letters": b"3g\r\nabc\r\n" + ZERO,
    "size: blank before": b" 3\r\nabc\r\n" + ZERO,
    "size: blank behind": b"3 \r\nabc\r\n" + ZERO,
    "size: tab behind": b"3\t\r\nabc\r\n" + ZERO,
    "size: underscore": b"1_0\r\n" + b"a" * 16 + b"\r\n" + ZERO,
    "size: nul": b"3\0\r\nabc\r\n" + ZERO,
    "size: too many digits": b"0" * 16 + b"3\r\nabc\r\n" + ZERO,
    "size: above 64 bits": b"10000000000000003\r\nabc\r\n" + ZERO,
    "size: superscript": b"\xb3\r\nabc\r\n" + ZERO,
    "size: comma": b"3,3\r\nabc\r\n" + ZERO,
    "size: bare LF": b"3\nabc\r\n" + ZERO,
    "size: bare CR": b"3\rabc\r\n" + ZERO,
    "size: CR CR LF": b"3\r\r\nabc\r\n" + ZERO,
    "size line too long": b"3;" + b"x" * 300 + b"\r\nabc\r\n" + ZERO,
    "extension without end": b"3;" + b"x" * 5000,
    "extension: bare LF": b"3;a\nabc\r\n" + ZERO,
    "extension: bare CR": b"3;a\rb\r\nabc\r\n" + ZERO,
    "extension: nul": b"3;a\0\r\nabc\r\n" + ZERO,
    "data: longer": b"3\r\nabcd\r\n" + ZERO,
    "data: shorter": b"3\r\nab\r\n" + ZERO,
    "data: ends in LF": b"3\r\nabc\n" + ZERO,
    "data: ends in CR": b"3\r\nabc\r" + ZERO,
    "data: no end": b"3\r\nabc" + ZERO,
    "data: two ends": b"3\r\nabc\r\n\r\n" + ZERO,
    "last: bare LF": b"3\r\nabc\r\n0\n\r\n",
    "last: LF LF": b"3\r\nabc\r\n0\r\n\n\n",
    "trailer: no colon": b"0\r\nX\r\n\r\n",
    "trailer: blank before the colon": b"0\r\nX : y\r\n\r\n",
    "trailer: folded": b"0\r\nX: y\r\n z\r\n\r\n",
    "trailer: folded first": b"0\r\n X: y\r\n\r\n",
    "trailer: bare LF": b"0\r\nX: y\nContent-Length: 3\r\n\r\n",
    "trailer: bare CR": b"0\r\nX: y\rz\r\n\r\n",
    "trailer: nul": b"0\r\nX: \0\r\n\r\n",
    "trailer: no name": b"0\r\n: y\r\n\r\n",
    "trailer: a request": b"0\r\nGET /evil HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "trailers without end": b"0\r\n" + b"X: y\r\n" * 2000,
}


@pytest.mark.parametrize("body", REFUSED_CHUNKS.values(), ids=REFUSED_CHUNKS.keys())
def test_refused_chunks(body: bytes) -> None:
    check_refused(chunked(body), 400)


PASSED_CHUNKS = {
    "nothing": (ZERO, b""),
    "one": (b"3\r\nabc\r\n" + ZERO, b"abc"),
    "many": (b"1\r\na\r\n" * 50 + ZERO, b"a" * 50),
    "capitals": (b"A\r\n0123456789\r\n" + ZERO, b"0123456789"),
    "leading zeros": (b"0003\r\nabc\r\n" + ZERO, b"abc"),
    "zeros": (b"3\r\nabc\r\n000\r\n\r\n", b"abc"),
    "extension": (b"3;name=value\r\nabc\r\n" + ZERO, b"abc"),
    "quoted extension": (b'3;name="a;b"\r\nabc\r\n' + ZERO, b"abc"),
    "blanks before the extension": (b"3 \t;a\r\nabc\r\n" + ZERO, b"abc"),
    "extension of the last": (b"3\r\nabc\r\n0;a=b\r\n\r\n", b"abc"),
    "longest line": (b"3;" + b"x" * 254 + b"\r\nabc\r\n" + ZERO, b"abc"),
    "line breaks as data": (b"4\r\n\r\n\r\n\r\n" + ZERO, b"\r\n\r\n"),
    "last chunk as data": (b"5\r\n0\r\n\r\n\r\n" + ZERO, b"0\r\n\r\n"),
    "forging trailers": (
        b"3\r\nabc\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: evil\r\nX-Consumer-ID: 1\r\n"
        b"X_Forwarded_For: 1.1.1.1\r\nAuthorization: x\r\nCookie: x\r\nContent-Type: x\r\n\r\n",
        b"abc",
    ),
}


@pytest.mark.parametrize(("body", "payload"), PASSED_CHUNKS.values(), ids=PASSED_CHUNKS.keys())
def test_passed_chunks(body: bytes, payload: bytes) -> None:
    forged = [(name, "") for name in ("X-Consumer-ID", "Authorization", "Cookie", "Content-Type")]
    check_passed(chunked(body), Seen("POST", "/a", forged, payload))


def test_unlimited_length_does_not_allocate() -> None:
    """The largest length that fits is only a number until bytes come."""
    length = 2**63
    played = play(post(CL + b"%d" % length))
    assert played.seen == []
    assert played.statuses == [408]
