"""Request bodies on their way to the target: collected, repeated, streamed, swallowed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dbless_gateway.pdk.reply import Reply
from dbless_gateway.proxy.options import ProxyOptions
from tests.support.client import request_bytes
from tests.unit.proxy.conftest import MakeStage

KB = 1024
CHUNKED_HEAD = b"POST /u HTTP/1.1\r\nHost: gateway.test\r\nTransfer-Encoding: chunked\r\n\r\n"


def length_head(size: int, *lines: str) -> bytes:
    """Return the head of an upload of that size."""
    head = ["POST /u HTTP/1.1", "Host: gateway.test", f"Content-Length: {size}", *lines, "", ""]
    return "\r\n".join(head).encode()


class TestBuffered:
    """The route's default: the target sees nothing before the body is complete."""

    def test_target_is_dialled_when_the_body_is_complete(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(6) + b"abc")
        assert not stage.is_dialling
        client.send(b"def")
        assert stage.accept().read_request().body == b"abcdef"

    def test_chunks_become_a_length(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(CHUNKED_HEAD + b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n")
        request = stage.accept().read_request()

        assert (request.get("Content-Length"), request.body) == ("5", b"abcde")
        assert request.get("X-Sum") is None

    def test_empty_body_keeps_its_length(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        stage.connect().send(length_head(0))
        assert stage.accept().read_request().get("Content-Length") == "0"

    def test_outgrowing_the_buffer_streams(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(client_body_buffer_size=8))
        client = stage.connect()
        client.send(length_head(20) + b"a" * 4)
        client.send(b"b" * 6)
        target = stage.accept()
        assert target.receive().endswith(b"Content-Length: 20\r\n\r\naaaabbbbbb")
        client.send(b"c" * 10)
        assert target.receive() == b"c" * 10

    def test_client_that_stops_in_its_body_gets_408(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(6) + b"abc")
        stage.pass_time(60)
        assert client.read_response().status == 408
        stage.pass_time(5)
        assert client.is_closed

    def test_time_for_the_body_starts_anew_with_each_piece(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(3))
        for _ in range(2):
            stage.pass_time(50)
            client.send(b"x")
        stage.pass_time(50)
        client.send(b"x")
        assert stage.accept().read_request().body == b"xxx"


class TestStreamed:
    """A route without request_buffering."""

    @pytest.fixture
    def make_stage(self, make_stage: MakeStage) -> MakeStage:
        return lambda **rest: make_stage(route={"request_buffering": False}, **rest)

    def test_pieces_pass_as_they_come(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(6) + b"abc")
        target = stage.accept()
        assert target.receive().endswith(b"Content-Length: 6\r\n\r\nabc")
        client.send(b"def")
        assert target.receive() == b"def"

    def test_chunks_stay_chunks(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(CHUNKED_HEAD + b"3\r\nabc\r\n")
        target = stage.accept()
        client.send(b"2\r\nde\r\n0\r\n\r\n")
        request = target.read_request()
        assert (request.get("Transfer-Encoding"), request.raw_body) == (
            "chunked",
            b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        )

    def test_harmless_trailers_pass_and_others_do_not(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(CHUNKED_HEAD + b"1\r\na\r\n")
        target = stage.accept()
        client.send(b"0\r\nX-Sum: 1\r\nContent-Length: 9\r\nX_Consumer_ID: me\r\nHost: evil\r\n\r\n")
        assert target.read_request().trailers == [("X-Sum", "1")]

    def test_complete_body_has_a_length_and_can_be_repeated(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(CHUNKED_HEAD.replace(b"POST", b"PUT") + b"3\r\nabc\r\n0\r\n\r\n")
        for _ in range(2):
            target = stage.accept()
            assert target.read_request().get("Content-Length") == "3"
            target.reset()
        target = stage.accept()
        target.answer()
        assert client.read_response().status == 200

    def test_body_under_way_is_not_repeated(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(6).replace(b"POST", b"PUT") + b"abc")
        stage.accept().reset()
        assert client.read_response().status == 502
        assert not stage.is_dialling

    def test_body_that_waits_for_a_connection_moves_to_the_next_try(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(6) + b"abc")
        stage.refuse()
        client.send(b"def")
        assert stage.accept().read_request().body == b"abcdef"

    def test_client_waits_while_nobody_takes_its_body(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(1000 * KB) + b"x" * 200 * KB)
        assert not client.is_paused
        client.send(b"x" * 100 * KB)
        assert client.is_paused
        target = stage.accept()
        assert not client.is_paused
        client.send(b"x" * 700 * KB)
        assert len(target.read_request().body) == 1000 * KB

    def test_full_target_makes_the_client_wait(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(2000 * KB))
        target = stage.accept()
        target.stop_reading()
        client.send(b"x" * 600 * KB)
        assert client.is_paused
        target.read_again()
        assert not client.is_paused
        client.send(b"x" * 1400 * KB)
        assert len(target.read_request().body) == 2000 * KB

    def test_target_that_takes_nothing_in_time_gives_504(self, make_stage: MakeStage) -> None:
        stage = make_stage(service={"write_timeout": 7000})
        client = stage.connect()
        client.send(length_head(2000 * KB))
        target = stage.accept()
        target.stop_reading()
        client.send(b"x" * 600 * KB)
        stage.pass_time(7)
        assert client.read_response().status == 504
        assert target.is_closed

    def test_client_gone_in_its_body_breaks_off_the_targets_request(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(6) + b"abc")
        target = stage.accept()
        client.finish()
        assert target.transport.was_aborted
        assert [exchange.status for exchange in stage.finished] == [499]

    def test_broken_chunk_breaks_off_the_targets_request(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(CHUNKED_HEAD + b"3\r\nabc\r\n")
        target = stage.accept()
        client.send(b"zz\r\n")
        assert client.read_response().status == 400
        assert client.is_closed
        assert target.transport.was_aborted
        assert not target.receive().endswith(b"0\r\n\r\n"), "half a body must not look whole"


class TestLimits:
    """client_max_body_size."""

    @pytest.mark.parametrize(
        "request_",
        [length_head(11), CHUNKED_HEAD + b"b\r\nhello world\r\n"],
        ids=["announced", "grown"],
    )
    def test_too_large_a_body_gets_413(self, make_stage: MakeStage, request_: bytes) -> None:
        stage = make_stage(options=ProxyOptions(client_max_body_size=10))
        client = stage.connect()
        client.send(request_)
        response = client.read_response()
        assert (response.status, response.get("Connection")) == (413, "close")
        assert not stage.is_dialling

    def test_rest_of_a_refused_body_is_swallowed_for_a_while(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(client_max_body_size=10))
        client = stage.connect()
        client.send(length_head(1000) + b"x" * 500)
        assert client.read_response().status == 413
        assert not client.is_closed
        client.send(b"x" * 500)
        assert client.is_closed

    def test_swallowing_ends(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(client_max_body_size=10))
        client = stage.connect()
        client.send(length_head(1000))
        stage.pass_time(5)
        assert client.is_closed

    def test_broken_chunk_while_swallowing_ends_the_exchange(self, make_stage: MakeStage) -> None:
        stage = make_stage(options=ProxyOptions(client_max_body_size=4))
        client = stage.connect()
        client.send(CHUNKED_HEAD + b"5\r\nabcde\r\n")
        assert client.read_response().status == 413
        client.send(b"nonsense\r\n")
        assert client.is_closed
        assert len(stage.finished) == 1


class TestExpectContinue:
    """Expect: 100-continue is answered when the body is wanted, and never passed on."""

    def test_invitation_comes_when_the_body_is_wanted(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(3, "Expect: 100-Continue"))
        assert client.receive() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"abc")
        assert stage.accept().read_request().get("Expect") is None

    def test_no_invitation_when_the_body_is_there(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(3, "Expect: 100-continue") + b"abc")
        assert client.receive() == b""

    def test_refusal_instead_of_an_invitation_closes(self, make_stage: MakeStage) -> None:
        stage = make_stage(route={"paths": ("/other",)})
        client = stage.connect()
        client.send(length_head(3, "Expect: 100-continue"))
        response = client.read_response()
        assert (response.status, response.get("Connection")) == (404, "close")
        assert client.is_closed

    def test_no_invitation_for_http_10(self, make_stage: MakeStage) -> None:
        stage = make_stage()
        client = stage.connect()
        client.send(length_head(3, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert client.receive() == b""


class Limiting:
    """A plugin that allows bodies of four bytes."""

    def access(self, ctx: Any) -> None:
        ctx.limit_request_body(4, Reply(413, b"four at most"))


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("first", [b"", b"3\r\nabc\r\n", b"5\r\nabcde\r\n"], ids=["none", "some", "all"])
def test_limit_of_a_plugin(make_stage: MakeStage, first: bytes, buffered: bool) -> None:
    stage = make_stage(plugins=[Limiting()], route={"request_buffering": buffered})
    client = stage.connect()
    client.send(CHUNKED_HEAD + first)
    if stage.is_dialling:
        stage.accept().receive()
    client.send(b"5\r\nabcde\r\n0\r\n\r\n")
    response = client.read_response()
    assert (response.status, response.body, response.get("Connection")) == (413, b"four at most", "close")
    assert client.is_closed
    assert client.receive() == b""


def test_limit_of_a_plugin_just_kept(make_stage: MakeStage) -> None:
    stage = make_stage(plugins=[Limiting()])
    stage.connect().send(CHUNKED_HEAD + b"4\r\nabcd\r\n0\r\n\r\n")
    assert stage.accept().read_request().body == b"abcd"


class BodyReader:
    """A plugin that wants to see the whole body."""

    needs_request_body = True

    def __init__(self) -> None:
        self.seen: list[bytes | None] = []

    def access(self, ctx: Any) -> None:
        self.seen.append(ctx.request_body)


class Waiter:
    """A plugin that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.go_on: asyncio.Future[None] | None = None

    def access(self, ctx: Any) -> Any:
        self.go_on = ctx.gateway.loop.create_future()
        return self.go_on


class BodyWriter:
    """A plugin that replaces the body without having asked to see it."""

    def access(self, ctx: Any) -> None:
        ctx.upstream.body = b"mine"


class TestPlugins:
    """What plugins see of a body, and what becomes of it meanwhile."""

    def test_plugin_sees_the_whole_body(self, make_stage: MakeStage) -> None:
        reader = BodyReader()
        stage = make_stage(plugins=[reader])
        client = stage.connect()
        client.send(length_head(100 * KB) + b"x" * 70 * KB)
        assert reader.seen == []
        client.send(b"x" * 30 * KB)
        assert reader.seen == [b"x" * 100 * KB]
        assert len(stage.accept().read_request().body) == 100 * KB

    def test_body_too_large_to_be_shown_streams(self, make_stage: MakeStage) -> None:
        reader = BodyReader()
        stage = make_stage(plugins=[reader])
        client = stage.connect()
        size, half = 10_000 * KB, 5_000 * KB
        client.send(length_head(size) + b"x" * half)
        client.send(b"x" * (half - 1))
        assert reader.seen == [None]
        target = stage.accept()
        client.send(b"x")
        assert len(target.read_request().body) == size

    def test_client_waits_while_a_plugin_does(self, make_stage: MakeStage) -> None:
        waiter = Waiter()
        stage = make_stage(plugins=[waiter])
        client = stage.connect()
        client.send(length_head(1000 * KB) + b"x" * 300 * KB)
        client.send(b"x" * 100 * KB)
        assert client.is_paused, "nothing bounds what a plugin's wait may pile up"
        client.send(b"x" * 600 * KB)
        assert waiter.go_on is not None
        stage.do(waiter.go_on.set_result, None)
        assert len(stage.accept().read_request().body) == 1000 * KB

    @pytest.mark.parametrize("buffered", [True, False])
    @pytest.mark.parametrize(
        ("first", "later"),
        [
            (length_head(200 * KB) + b"x" * 100 * KB, b"y" * 100 * KB),
            (CHUNKED_HEAD + b"19000\r\n" + b"x" * 100 * KB, b"\r\n1\r\ny\r\n0\r\n\r\n"),
        ],
        ids=["length", "chunked"],
    )
    def test_replaced_body_is_not_followed_by_the_clients(
        self, make_stage: MakeStage, first: bytes, later: bytes, buffered: bool
    ) -> None:
        """What the client sent would be taken for a request of its own."""
        stage = make_stage(plugins=[BodyWriter()], route={"request_buffering": buffered})
        client = stage.connect()
        client.send(first[:100])
        client.send(first[100:])
        target = stage.accept()
        client.send(later)
        assert target.read_request().body == b"mine"
        assert target.receive() == b""
        target.answer(b"done")
        assert client.read_response().body == b"done"
        client.send(request_bytes(target="/next"))
        assert target.read_request().target == "/next"
