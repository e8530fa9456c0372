"""Where a body ends; the refused spellings are rows of tests/compat/wire."""

from __future__ import annotations

import pytest

from dbless_gateway.http1.bodies import BadBody, ChunkedBody, LengthBody, UntilClose


class TestLength:
    def test_exactly(self) -> None:
        body = LengthBody(3)
        assert (body.feed(b"abc"), body.done, body.rest) == ([b"abc"], True, b"")

    def test_in_parts_and_more(self) -> None:
        body = LengthBody(3)
        assert (body.feed(b"ab"), body.done) == ([b"ab"], False)
        assert (body.feed(b"cGET"), body.done, body.rest) == ([b"c"], True, b"GET")

    def test_received_bytes_are_not_copied(self) -> None:
        """A large body passes as the very objects that were received."""
        data = b"x" * 100
        assert LengthBody(100).feed(data)[0] is data
        assert LengthBody(200).feed(data)[0] is data

    def test_nothing(self) -> None:
        assert LengthBody(0).done


def test_until_close_never_ends_by_itself() -> None:
    body = UntilClose()
    assert (body.feed(b"abc"), body.done, body.rest) == ([b"abc"], False, b"")


class TestChunked:
    def test_pieces_and_rest(self) -> None:
        body = ChunkedBody()
        assert body.feed(b"3\r\nabc\r\n0\r\n\r\nGET") == [b"abc"]
        assert (body.done, body.rest, body.trailers) == (True, b"GET", b"")

    def test_pieces_pass_before_their_chunk_is_complete(self) -> None:
        body = ChunkedBody()
        assert body.feed(b"5\r\nab") == [b"ab"]
        assert body.feed(b"cd") == [b"cd"]
        assert body.feed(b"e\r\n") == [b"e"]
        assert not body.done

    def test_trailers_are_a_block(self) -> None:
        body = ChunkedBody()
        body.feed(b"0\r\nX-A: 1\r\nX-B:2\r\n\r\n")
        assert body.trailers == b"\r\nX-A: 1\r\nX-B:2"

    @pytest.mark.parametrize(
        "name",
        [
            *("Content-Length", "transfer_encoding", "Host", "Connection", "Authorization", "Set-Cookie"),
            *("Cookie", "X-Forwarded-For", "X_Consumer_ID", "X-Credential-Identifier", "X-Kong-Request-Id"),
            *("If-Match", "X-Anonymous-Consumer", "X-Real-IP", "Cache-Control", "Content-Encoding"),
            *("Location", "Via"),
        ],
    )
    def test_trailers_that_would_be_believed_are_dropped(self, name: str) -> None:
        body = ChunkedBody()
        body.feed(f"0\r\nX-A: 1\r\n{name}: forged\r\nX-B: 2\r\n\r\n".encode())
        assert body.trailers == b"\r\nX-A: 1\r\nX-B: 2"

    @pytest.mark.parametrize(
        ("size", "fits"), [(8192, True), (8193, False)], ids=["at the limit", "above the limit"]
    )
    @pytest.mark.parametrize("piece_bytes", [1, 5000, 100_000])
    def test_trailers_are_bounded(self, size: int, fits: bool, piece_bytes: int) -> None:
        raw = b"0\r\nX: " + b"y" * (size - 3) + b"\r\n\r\n"
        body = ChunkedBody()
        try:
            for at in range(0, len(raw), piece_bytes):
                body.feed(raw[at : at + piece_bytes])
        except BadBody:
            assert not fits
        else:
            assert fits
            assert body.done

    @pytest.mark.parametrize("start", [b"", b"1;", b"0\r\nX: "])
    def test_memory_is_bounded_whatever_comes(self, start: bytes) -> None:
        body = ChunkedBody()
        body.feed(start)
        with pytest.raises(BadBody):
            feed_for_ever(body, b"0")


def feed_for_ever(body: ChunkedBody, piece: bytes) -> None:
    for _ in range(100_000):
        body.feed(piece)
