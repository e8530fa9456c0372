"""How the rows of the corpus are played: bytes of a client in, bytes at the target and the client out.

Every row is played with a buffering and with a streaming route, in one piece and byte by byte; all four must
agree. Behind the row's bytes comes one more request, ``/next``: it must be understood as a request of its
own, or not be seen by anybody. The target is h11, a strict reader that shares nothing with the gateway; what
it does not understand, or could be understood in two ways, fails the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import h11

from dbless_gateway.proxy.options import ProxyOptions
from tests.support.exchange_script import FarEnd, Stage

HOST = b"Host: gateway.test\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: next.test\r\n\r\n"
# Small enough that the corpus can exceed them, larger than the heads that must pass.
OPTIONS = ProxyOptions(max_header_bytes=4096, max_request_line_bytes=1024, max_header_count=50)


@dataclass
class Seen:
    """A whole request that the target has understood."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    trailers: list[str] = field(default_factory=list)

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]


@dataclass
class Played:
    """What came of a row."""

    seen: list[Seen] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    is_closed: bool = False


class StrictTarget:
    """A target that answers each complete request with 200, and keeps what it has understood."""

    def __init__(self, end: FarEnd) -> None:
        self._end = end
        self._parser = h11.Connection(h11.SERVER)
        self._current: Seen | None = None
        self.seen: list[Seen] = []

    def work(self) -> None:
        """Take what has come; an answer may cause more to come."""
        while data := self._end.receive():
            check_bytes(data, in_body=self._current is not None)
            self._parser.receive_data(data)
            self._understand()

    def _understand(self) -> None:
        while True:
            event = self._parser.next_event()
            if isinstance(event, h11.Request):
                headers = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
                self._current = Seen(event.method.decode(), event.target.decode("latin-1"), headers)
                check_framing(self._current)
            elif isinstance(event, h11.Data) and self._current is not None:
                self._current.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and self._current is not None:
                self._current.trailers = [name.decode() for name, _ in event.headers]
                self.seen.append(self._current)
                self._current = None
                self._answer()
                return
            else:
                return

    def _answer(self) -> None:
        head = self._parser.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        end = self._parser.send(h11.EndOfMessage())
        assert head is not None
        self._parser.start_next_cycle()
        self._end.send(head + (end or b""))


def check_bytes(data: bytes, in_body: bool) -> None:
    """No line of a head ends in anything but CRLF, and none is folded."""
    if in_body:
        return
    head = data.partition(b"\r\n\r\n")[0]
    bare = head.replace(b"\r\n", b"")
    assert b"\r" not in bare, head
    assert b"\n" not in bare, head
    assert b"\0" not in bare, head
    assert not any(line.startswith((b" ", b"\t")) for line in head.split(b"\r\n")), head


def check_framing(request: Seen) -> None:
    """One Host, and at most one of the two framings, in its plainest spelling."""
    assert len(request.get_all("Host")) == 1, request
    lengths, codings = request.get_all("Content-Length"), request.get_all("Transfer-Encoding")
    assert len(lengths) + len(codings) <= 1, request
    assert all(length.isdigit() and str(int(length)) == length for length in lengths), request
    assert all(coding == "chunked" for coding in codings), request


def play(raw: bytes, *, streamed: bool = False, piece_bytes: int | None = None) -> Played:
    """Send a row and what follows it; return what came of it."""
    stage = Stage(
        options=OPTIONS,
        service={"retries": 0},
        route={"request_buffering": not streamed},
    )
    client = stage.connect()
    targets: list[StrictTarget] = []
    for piece in pieces(raw + NEXT, piece_bytes):
        client.send(piece)
        while stage.is_dialling:
            targets.append(StrictTarget(stage.accept()))
            work(targets)
        work(targets)
    assert not stage.bugs, stage.bugs[0].exc_info
    # What is answered early is swallowed for a moment, so that the client can read the answer.
    stage.pass_time(OPTIONS.client_body_timeout)
    played = Played([seen for target in targets for seen in target.seen])
    played.statuses = statuses(client, ["GET"] * 3)
    played.is_closed = client.is_closed
    return played


def work(targets: list[StrictTarget]) -> None:
    for target in targets:
        target.work()


def statuses(client: FarEnd, methods: list[str]) -> list[int]:
    """Return the statuses of all answers; anything else that the client got fails the row."""
    found: list[int] = []
    left = client.receive()
    client._buffer += left
    while client._buffer:
        found.append(client.read_response(methods[len(found)]).status)
    return [status for status in found if status != 100]


def pieces(raw: bytes, size: int | None) -> Iterator[bytes]:
    """Cut bytes into pieces of that size."""
    size = size or len(raw)
    for at in range(0, len(raw), size):
        yield raw[at : at + size]


def check_refused(raw: bytes, status: int) -> None:
    """The row is answered with this status and nothing else, no target sees it, the connection ends."""
    for streamed in (False, True):
        for piece_bytes in (None, 1):
            played = play(raw, streamed=streamed, piece_bytes=piece_bytes)
            where = f"streamed {streamed}, piece {piece_bytes}"
            assert (played.statuses, played.seen) == ([status], []), where
            assert played.is_closed, where


def check_passed(raw: bytes, *expected: Seen, keeps: bool = True) -> None:
    """The target understands exactly these requests, and then ``/next``.

    Headers that are not given are not judged; one with the empty value must be absent. ``keeps`` False: the
    connection ends, ``/next`` is not seen.
    """
    for streamed in (False, True):
        for piece_bytes in (None, 1):
            played = play(raw, streamed=streamed, piece_bytes=piece_bytes)
            where = f"streamed {streamed}, piece {piece_bytes}"
            wanted = [*expected, Seen("GET", "/next", [])] if keeps else list(expected)
            got = [(seen.method, seen.target, seen.body) for seen in played.seen]
            assert got == [(seen.method, seen.target, seen.body) for seen in wanted], where
            for request, want in zip(played.seen, wanted, strict=True):
                assert request.trailers == [], "no row's trailers are harmless enough to pass"
                for name, value in want.headers:
                    assert request.get_all(name) == ([value] if value else []), (where, name)
            assert played.statuses == [200] * len(wanted), where
            assert played.is_closed != keeps, where
