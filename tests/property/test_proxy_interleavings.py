"""Whatever clients, targets and time do in whatever order, the books balance.

A random play of a few clients against one target that answers, lies, stalls and hangs up. In the end every
exchange is counted once, no try is left in flight, no connection is left open, nothing was logged as a bug,
and each client has got, in order, answers to its own requests and to nobody else's.
"""

from __future__ import annotations

from typing import Any

import h11
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.client import request_bytes
from tests.support.exchange_script import TARGET_IP, FarEnd, Stage

CLIENTS_MAX = 3
CHOICE = st.integers(0, 100)
LONG_S = 1000.0
EVIL = b"evil"


class Talker:
    """A client with an unsent rest of its requests, each naming the client and its number."""

    def __init__(self, end: FarEnd, number: int) -> None:
        self.end = end
        self.number = number
        self.asked: list[str] = []
        self.unsent = b""
        self.got = b""

    def ask(self, kind: int) -> None:
        """Make up one more request."""
        target = f"/{self.number}/{len(self.asked)}"
        self.asked.append(target)
        headers = [("Connection", "close")] if kind == 0 else []
        if kind in (1, 2):
            headers.append(("Transfer-Encoding", "chunked"))
            self.unsent += request_bytes("PUT", target, headers) + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        else:
            self.unsent += request_bytes(
                "POST" if kind == 3 else "GET", target, headers, b"x" * (50 if kind == 3 else 0)
            )

    def send(self, size: int) -> None:
        """Send some of it."""
        piece, self.unsent = self.unsent[:size], self.unsent[size:]
        if piece and not self.end.is_closed:
            self.end.send(piece)


class Answerer:
    """A target's connection, with an unsent rest of its answer."""

    def __init__(self, end: FarEnd) -> None:
        self.end = end
        self.parser = h11.Connection(h11.SERVER)
        self.unsent = b""

    def read(self) -> str | None:
        """Return what the next whole request asks for."""
        data = self.end.receive()
        if data:
            self.parser.receive_data(data)
        target = None
        while True:
            event = self.parser.next_event()
            if isinstance(event, h11.Request):
                target = event.target.decode()
                self.target = target
            elif isinstance(event, h11.EndOfMessage):
                return self.target
            elif not isinstance(event, h11.Data):
                return None

    def answer(self, kind: int) -> None:
        """Make up the answer to the request that has been read."""
        body = self.target.encode()
        if kind % 3 == 0:
            self.unsent = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        elif kind % 3 == 1:
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            self.unsent = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            self.unsent = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
        self.parser = h11.Connection(h11.SERVER)

    def send(self, size: int) -> None:
        """Send some of it."""
        piece, self.unsent = self.unsent[:size], self.unsent[size:]
        if piece and not self.end.is_closed:
            self.end.send(piece)


class Play(RuleBasedStateMachine):
    """See the module."""

    @initialize(streamed=st.booleans(), retries=st.integers(0, 2))
    def open(self, streamed: bool, retries: int) -> None:
        self.stage = Stage(route={"request_buffering": not streamed}, service={"retries": retries})
        self.talkers: list[Talker] = []
        self.answerers: list[Answerer] = []
        self.ended: list[Any] = self.stage.finished

    @precondition(lambda self: len(self.talkers) < CLIENTS_MAX)
    @rule()
    def connect(self) -> None:
        self.talkers.append(Talker(self.stage.connect(), len(self.talkers)))

    @precondition(lambda self: self.talkers)
    @rule(who=CHOICE, kind=st.integers(0, 8), size=st.sampled_from([1, 20, 90, 1000]))
    def ask(self, who: int, kind: int, size: int) -> None:
        talker = self.talkers[who % len(self.talkers)]
        talker.ask(kind)
        talker.send(size)

    @precondition(lambda self: self.talkers)
    @rule(who=CHOICE, size=st.sampled_from([1, 20, 90, 1000]))
    def send(self, who: int, size: int) -> None:
        self.talkers[who % len(self.talkers)].send(size)

    @precondition(lambda self: self.talkers)
    @rule(who=CHOICE, how=st.sampled_from(["finish", "reset", "stop_reading", "read_again"]))
    def disturb_client(self, who: int, how: str) -> None:
        end = self.talkers[who % len(self.talkers)].end
        if not end.is_closed:
            getattr(end, how)()

    @precondition(lambda self: self.stage.is_dialling)
    @rule(refuses=st.integers(0, 4))
    def dialled(self, refuses: int) -> None:
        while self.stage.loop.dials[0].is_given_up:
            self.stage.loop.dials.popleft()
        if refuses == 0:
            self.stage.refuse()
        else:
            self.answerers.append(Answerer(self.stage.accept()))

    @precondition(lambda self: self.answerers)
    @rule(who=CHOICE, kind=CHOICE, size=st.sampled_from([1, 20, 40, 1000, 1000]))
    def answer(self, who: int, kind: int, size: int) -> None:
        answerer = self.answerers[who % len(self.answerers)]
        if not answerer.unsent and not answerer.end.is_closed and answerer.read() is not None:
            answerer.answer(kind)
        answerer.send(size)

    @precondition(lambda self: self.answerers)
    @rule(who=CHOICE, how=st.sampled_from(["finish", "reset", "stop_reading", "read_again", "lie"]))
    def disturb_target(self, who: int, how: str) -> None:
        answerer = self.answerers[who % len(self.answerers)]
        end = answerer.end
        if end.is_closed:
            return
        if how == "lie":
            # To whoever waits for an answer of this connection it is one; to nobody else. In the middle of an
            # answer it would be a part of that one.
            if not answerer.unsent:
                end.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + EVIL)
        else:
            getattr(end, how)()

    @rule(seconds=st.sampled_from([0.5, 6.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.stage.pass_time(seconds)

    @invariant()
    def nothing_is_logged_as_a_bug(self) -> None:
        if hasattr(self, "stage"):
            assert [record.exc_info for record in self.stage.bugs] == []

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        self.check_answers()
        for talker in self.talkers:
            if not talker.end.is_closed:
                talker.end.finish()
        self.stage.pass_time(LONG_S)
        assert self.stage.gateway.is_idle
        assert self.stage.runtime.pools.count() == 0
        balancer = self.stage.runtime.upstreams.for_host(TARGET_IP, 80)
        assert [peer.in_flight for peer in balancer.peers] == [0]
        assert not self.stage.is_dialling
        assert [answerer for answerer in self.answerers if not answerer.end.is_closed] == []
        assert len(self.ended) == len({id(exchange) for exchange in self.ended})

    def check_answers(self) -> None:
        """Each client sees the answers to its own requests, in order; the last may be broken off."""
        for talker in self.talkers:
            talker.end.read_again()
            parser = h11.Connection(h11.CLIENT)
            data = talker.end.receive()
            for target in talker.asked:
                if not data:
                    break
                body, data = read_answer(parser, data)
                assert body in (None, b"", EVIL, target.encode()) or b"request_id" in body, (target, body)
                if body is None:
                    break
                parser = h11.Connection(h11.CLIENT)
            else:
                assert data == b"", "more answers than requests"


def read_answer(parser: h11.Connection, data: bytes) -> tuple[bytes | None, bytes]:
    """Return the body of the first answer, None when it is cut short, and what follows it."""
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(data)
    body = b""
    while True:
        event = parser.next_event()
        if isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return body, parser.trailing_data[0]
        elif event in (h11.NEED_DATA, h11.PAUSED):
            return None, b""


TestPlay = Play.TestCase
TestPlay.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
