"""However bytes are cut into segments, the same bytes mean the same.

Streams are made of good messages with, now and then, one byte changed; so both verdicts occur, and often in
the middle of something.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.http1.bodies import BadBody, ChunkedBody
from tests.compat.wire.corpus import OPTIONS, Seen, StrictTarget, work
from tests.support.client import request_bytes
from tests.support.exchange_script import Stage

CHUNKS = st.lists(st.binary(min_size=1, max_size=20), max_size=4)
EXTENSIONS = st.sampled_from([b"", b"", b";a=b", b' ;a="b;c"'])
TRAILERS = st.sampled_from([b"", b"", b"X-Sum: 1\r\n", b"Host: a\r\nX-B:\r\n"])
JUNK = st.sampled_from([b"\r", b"\n", b"\0", b" ", b":", b"0", b"g", b";", b"\x7f", b"\xff"])


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    """Make a chunked body."""
    chunks = [b"%x%b\r\n%b\r\n" % (len(data), draw(EXTENSIONS), data) for data in draw(CHUNKS)]
    return b"".join(chunks) + b"0\r\n" + draw(TRAILERS) + b"\r\n"


@st.composite
def cuts(draw: st.DrawFn, raw: bytes) -> list[bytes]:
    """Cut bytes anywhere."""
    places = sorted(draw(st.sets(st.integers(0, len(raw)), max_size=8)) | {0, len(raw)})
    return [raw[start:end] for start, end in pairwise(places)]


@st.composite
def damaged(draw: st.DrawFn, raw: bytes) -> bytes:
    """Change one byte, two times out of three."""
    if not raw or not draw(st.integers(0, 2)):
        return raw
    at = draw(st.integers(0, len(raw) - 1))
    return raw[:at] + draw(JUNK) + raw[at + draw(st.integers(0, 1)) :]


Read = tuple[bytes, bool, bytes, bytes] | None


def read(segments: list[bytes]) -> Read:
    """Return payload, end, what follows and trailers; None for a refused body."""
    body, payload, rest = ChunkedBody(), b"", b""
    try:
        for number, segment in enumerate(segments):
            payload += b"".join(body.feed(segment))
            if body.done:
                rest = body.rest + b"".join(segments[number + 1 :])
                break
    except BadBody:
        return None
    return payload, body.done, rest, body.trailers


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_chunked_bodies(data: st.DataObject) -> None:
    raw = data.draw(damaged(data.draw(chunked_bodies()))) + data.draw(st.binary(max_size=10))
    assert read(data.draw(cuts(raw))) == read([raw])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Make a request of any framing."""
    target = draw(st.sampled_from(["/a", "/b?c=d", "http://a.test/e", "/%zz"]))
    connection = draw(st.sampled_from(["keep-alive", "keep-alive", "close", "x-a"]))
    fields = [("X-A", "1"), ("Connection", connection)]
    kind = draw(st.integers(0, 3))
    if kind == 0:
        head = request_bytes("POST", target, [*fields, ("Transfer-Encoding", "chunked")])
        return head + draw(chunked_bodies())
    body = draw(st.binary(max_size=30)) if kind == 1 else b""
    blank = b"\r\n" if draw(st.integers(0, 5)) == 0 else b""
    return blank + request_bytes("POST" if body else "GET", target, fields, body)


def play(segments: list[bytes], streamed: bool) -> tuple[list[Seen], list[int], bool]:
    """Return what the target understood, what the client was told, and whether it was sent away."""
    stage = Stage(options=OPTIONS, service={"retries": 0}, route={"request_buffering": not streamed})
    client = stage.connect()
    targets: list[StrictTarget] = []
    for segment in segments:
        if segment:
            client.send(segment)
        while stage.is_dialling:
            targets.append(StrictTarget(stage.accept()))
            work(targets)
        work(targets)
    assert not stage.bugs, stage.bugs[0].exc_info
    stage.pass_time(6)
    statuses: list[int] = []
    client._buffer += client.receive()
    while client._buffer:
        statuses.append(client.read_response().status)
    seen = [seen for target in targets for seen in target.seen]
    for request in seen:
        request.headers = [pair for pair in request.headers if pair[0] != "x-kong-request-id"]
    return seen, statuses, client.is_closed


@settings(max_examples=80, deadline=None)
@given(st.data(), st.booleans())
def test_requests(data: st.DataObject, streamed: bool) -> None:
    raw = data.draw(damaged(b"".join(data.draw(st.lists(requests(), min_size=1, max_size=3)))))
    whole, cut = play([raw], streamed), play(data.draw(cuts(raw)), streamed)
    assert (whole[1], whole[2]) == (cut[1], cut[2])
    # A streamed body that came whole has a length, one that came in pieces has chunks: the same request.
    assert [(seen.method, seen.target, seen.body) for seen in whole[0]] == [
        (seen.method, seen.target, seen.body) for seen in cut[0]
    ]
    if not streamed:
        assert whole[0] == cut[0]


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Make a response of any framing."""
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 X\r\nA: b\r\n\r\n"])
    )
    status = draw(st.sampled_from([b"200 OK", b"200 OK", b"404 Nope", b"204 None", b"304 Same"]))
    head = interim + b"HTTP/1.1 " + status + b"\r\nX-A: 1\r\n"
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + draw(chunked_bodies())
    body = draw(st.binary(max_size=30))
    return head + (b"Content-Length: %d\r\n\r\n" % len(body) if kind == 1 else b"\r\n") + body


def answer(segments: list[bytes]) -> tuple[int, bytes] | None:
    """Return status and body as the client sees them; None when it sees that there is no whole answer."""
    stage = Stage(service={"retries": 0})
    client = stage.connect()
    client.send(request_bytes())
    target = stage.accept()
    target.read_request()
    for segment in segments:
        if segment and not target.is_closed:
            target.send(segment)
    target.finish()
    assert not stage.bugs, stage.bugs[0].exc_info
    if client.transport.was_aborted:
        # A fault that came together with the head gives 502; half an answer may be on its way already.
        return None
    response = client.read_response()
    assert client.receive() == b""
    assert not client.is_closed
    return None if response.status == 502 else (response.status, response.body)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_responses(data: st.DataObject) -> None:
    raw = data.draw(damaged(data.draw(responses()))) + data.draw(st.binary(max_size=5))
    assert answer(data.draw(cuts(raw))) == answer([raw])
