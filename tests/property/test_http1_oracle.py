"""h11 says what a strict reader accepts. Where the gateway is stricter or laxer, the reason stands here.

Heads are made of good and bad parts at random. For each head that both accept, both must have read the same:
method, target, framing, and the fields that pass.
"""

from __future__ import annotations

import re

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.http1.bodies import ChunkedBody, LengthBody
from dbless_gateway.http1.request_head import Judge, Refusal, RequestHead, parse_request_head


def mostly(good: list[bytes], bad: list[bytes], times: int) -> st.SearchStrategy[bytes]:
    """Draw from the good ones, and from the bad ones about once in ``times``."""
    return st.integers(1, times).flatmap(lambda number: st.sampled_from(bad if number == times else good))


METHODS = mostly(
    [b"GET", b"POST", b"HEAD", b"FOO", b"M-SEARCH"], [b"get", b"G T", b"G\0T", b"GET:", b"", b"G(T"], 20
)
TARGETS = mostly(
    [b"/", b"/a?b=c", b"//a", b"/%zz", b"http://a.test/b", b"/#x", b'/"'],
    [b"*", b"a", b"ftp://a/", b"/a b", b"/\0", b"/\x7f", b"/\x80", b"/a\tb", b""],
    15,
)
VERSIONS = mostly(
    [b"HTTP/1.1"], [b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/11", b"http/1.1", b""], 10
)
NAMES = mostly(
    [b"X-A", b"x-a", b"X_A", b"Content-Length", b"Transfer-Encoding", b"Connection", b"X.A", b"Via", b"TE"],
    [b"Host", b"host", b"content-length", b"X A", b"X-A ", b" X-A", b"\tX-A", b"", b"X\0A", b"X\xe4"],
    12,
)
VALUES = mostly(
    [b"a", b"", b"3", b"0", b"03", b"chunked", b"Chunked", b"close", b"a\tb", b"\xe4", b"x-a, x.a"],
    [
        *(b"a, b", b"+3", b"-3", b"3, 3", b"3,4", b"0x3", b"gzip", b"gzip, chunked", b"chunked, chunked"),
        *(b"identity", b"a\0b", b"a\x01b", b"a\rb", b"a\nb", b"a\x7fb", b"9" * 25, b"a.test:80", b" "),
    ],
    5,
)
COLONS = mostly([b": ", b":", b":\t"], [b" : ", b""], 25)
ENDS = mostly([b"\r\n"], [b"\n", b"\r", b"\r\n "], 30)
LINES = st.tuples(NAMES, COLONS, VALUES, ENDS).map(b"".join)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Make a head, mostly with one good Host."""
    start = b" ".join((draw(METHODS), draw(TARGETS), draw(VERSIONS))) + draw(ENDS)
    host = b"Host: a.test\r\n" if draw(st.integers(0, 9)) else b""
    return start + host + b"".join(draw(st.lists(LINES, max_size=3))) + b"\r\n"


def ours(head: bytes) -> RequestHead | None:
    try:
        return parse_request_head(head, Judge())
    except Refusal:
        return None


def theirs(head: bytes) -> h11.Request | None:
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(head)
    try:
        event = parser.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if isinstance(event, h11.Request) else None


def is_stricter_for_a_reason(head: bytes) -> bool:
    """Tell whether a head that h11 accepts is one of those that the gateway refuses on purpose."""
    line = head.split(b"\n")[0].rstrip(b"\r")
    method, target, *_ = [*line.split(b" "), b""]
    lower = head.lower()
    return (
        # h11 takes a bare LF for a line end, and joins folded lines.
        b"\n" in head.replace(b"\r\n", b"")
        or re.search(rb"\r\n[ \t]", head) is not None
        # Whatever would be smuggled: both framings, codings in HTTP/1.0, repeated and list-valued lengths.
        or (b"transfer-encoding" in lower and (b"content-length" in lower or b"http/1.0" in lower))
        or lower.count(b"transfer-encoding") > 1
        or re.search(rb"transfer-encoding:[^\r]*\t", lower) is not None
        or re.search(rb"content-length:[ \t]*[0-9]+[ \t]*,", lower) is not None
        or lower.count(b"content-length:") > 1
        # nginx's rules for the parts of a request line and for Host.
        or not re.fullmatch(rb"[A-Z][A-Z_-]*", method)
        or not target.startswith((b"/", b"http"))
        or not line.endswith((b" HTTP/1.1", b" HTTP/1.0"))
        or re.search(rb"host:[ \t]*(\r\n|[^\r]*[\x00-\x20\x7f/][^\r \t])", lower) is not None
        or lower.count(b"\r\nhost:") > 1
        # Control characters in values; h11 refuses NUL, CR and LF only.
        or re.search(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]", head) is not None
    )


def is_laxer_for_a_reason(head: bytes) -> bool:
    """Tell whether a head that h11 refuses is one of those that the gateway serves on purpose."""
    target = [*head.split(b" "), b"", b""][1]
    return (
        # nginx takes bytes above 127 in a target and forwards them escaped.
        any(byte > 0x7F for byte in target)
        # Kong serves HTTP/1.0 without Host.
        or b" HTTP/1.0\r\n" in head
    )


@settings(max_examples=400, deadline=None)
@given(heads())
def test_same_verdict_but_for_the_listed_reasons(head: bytes) -> None:
    request, other = ours(head), theirs(head)
    if request is None and other is not None:
        assert is_stricter_for_a_reason(head)
    elif request is not None and other is None:
        assert is_laxer_for_a_reason(head)


@settings(max_examples=400, deadline=None)
@given(heads())
def test_same_reading(head: bytes) -> None:
    request, other = ours(head), theirs(head)
    if request is None or other is None:
        return
    assert request.method == other.method
    assert request.target.startswith(b"/")
    if other.target.startswith(b"/"):
        assert request.target == other.target
    framing = {
        name: value for name, value in other.headers if name in (b"content-length", b"transfer-encoding")
    }
    if isinstance(request.body, ChunkedBody):
        assert framing == {b"transfer-encoding": b"chunked"}
    elif isinstance(request.body, LengthBody):
        assert int(framing[b"content-length"]) == request.body.remaining
    else:
        assert not int(framing.get(b"content-length", b"0"))
        assert b"transfer-encoding" not in framing
    passed = [(name.lower(), value) for name, value in request_fields(request)]
    sent = [(name, value) for name, value in other.headers if re.fullmatch(rb"[a-z0-9_-]+", name)]
    assert [pair for pair in sent if pair in passed] == passed


def request_fields(request: RequestHead) -> list[tuple[bytes, bytes]]:
    """Return the fields that pass as they are."""
    lines = request.plain.split(b"\r\n")[1:]
    return [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]
