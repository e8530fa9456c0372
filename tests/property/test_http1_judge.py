"""One judge serves all clients of a worker: no head may leave a trace that changes the verdict on the next.

The parser behind it keeps the state of a message; a body that never comes, or an end that was announced, must
be forgotten with the head that brought it.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.http1.request_head import Judge, Refusal, parse_request_head
from tests.property.test_http1_oracle import LINES, heads

CONNECTION = st.sampled_from(
    [b"close", b"Close", b"keep-alive", b"keep-alive, close", b"close,x", b" close ", b"close\t", b"upgrade"]
)
NAMES = st.sampled_from([b"Connection", b"Proxy-Connection", b"Upgrade", b"Content-Length", b"Expect"])
HOP_LINES = st.tuples(NAMES, CONNECTION).map(lambda pair: b"%b: %b\r\n" % pair)
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"CONNECT", b"TRACE", b"PRI", b"OPTIONS"])
HOPS = st.tuples(METHODS, st.sampled_from([b"1.1", b"1.0"]), st.lists(HOP_LINES | LINES, max_size=4)).map(
    lambda parts: b"%b / HTTP/%b\r\nHost: a\r\n" % parts[:2] + b"".join(parts[2]) + b"\r\n"
)


def verdict(head: bytes, judge: Judge) -> object:
    """Return what becomes of a head; a refused one resets the judge, as every connection does."""
    try:
        request = parse_request_head(head, judge)
    except Refusal as refusal:
        judge.reset()
        return refusal.status, refusal.reason
    if request is None:  # Its end has not come.
        return None
    return request.method, request.target, request.plain, request.special, request.keep_alive


@settings(max_examples=150, deadline=None)
@given(st.lists(HOPS | heads(), min_size=2, max_size=5))
def test_no_trace_is_left(stream: list[bytes]) -> None:
    shared = Judge()
    assert [verdict(head, shared) for head in stream] == [verdict(head, Judge()) for head in stream]
