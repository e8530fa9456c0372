from __future__ import annotations

import asyncio
import socket
from functools import partial
from struct import pack
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.server.control import (
    MESSAGES,
    Abort,
    Activate,
    Activated,
    Boot,
    Broadcast,
    Channel,
    Drain,
    Failed,
    InheritedListener,
    LogLevel,
    Message,
    Prepare,
    Ready,
    ReopenLogs,
    Report,
    ReportWanted,
    Slice,
    Stop,
    decode,
    encode,
)
from dbless_gateway.server.frames import MAX_FRAME_BYTES, BrokenStream, FrameReader, frame
from tests.unit.server.standin_loader import a_problem

EXAMPLES: tuple[Message, ...] = (
    Boot(0, 2, "n", "notice", 10.0, ProxyOptions(), {}, (InheritedListener(5, "http", 80, 9),), 7, 8, 9),
    Prepare(1, "abc", 3),
    Slice(b"\x00\xff"),
    Ready(1),
    Failed(1, (a_problem("no"),)),
    Activate(1),
    Activated(1, 0.5, {"balancers_kept": 2}),
    Abort(1),
    Drain(1.5),
    Stop(),
    ReportWanted(),
    Report({"counts": {"a": 1}}),
    Broadcast("topic", ("plain", 1)),
    LogLevel("debug"),
    ReopenLogs(),
)


def read_all(data: bytes) -> list[Message]:
    return [decode(kind, body) for kind, body in FrameReader().feed(data)]


def test_every_message_has_an_example() -> None:
    assert {type(example) for example in EXAMPLES} == set(MESSAGES)


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_way(message: Message) -> None:
    assert read_all(encode(message)) == [message]


@settings(deadline=None)
@given(st.lists(st.sampled_from(EXAMPLES), max_size=5), st.data())
def test_any_cut_of_the_bytes_reads_the_same(messages: list[Message], data: st.DataObject) -> None:
    stream = b"".join(map(encode, messages))
    reader = FrameReader()
    found: list[Message] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += [decode(kind, body) for kind, body in reader.feed(stream[:cut])]
        stream = stream[cut:]
    assert found == messages


def test_an_unknown_kind_breaks_the_stream() -> None:
    with pytest.raises(BrokenStream, match="unknown kind 200"):
        read_all(frame(200, b""))


def test_an_impossible_length_breaks_the_stream() -> None:
    with pytest.raises(BrokenStream, match="a frame of"):
        read_all(pack("!IB", MAX_FRAME_BYTES + 1, 0))


def _same(channel: Channel) -> Channel:
    return channel


async def channels(on_message: Any) -> tuple[Channel, Channel, asyncio.Future[Exception | None]]:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    closed: asyncio.Future[Exception | None] = loop.create_future()
    near = Channel(lambda message: None, lambda error: None)
    far = Channel(on_message, closed.set_result)
    for channel, sock in ((near, ours), (far, theirs)):
        sock.setblocking(False)
        await loop.create_unix_connection(partial(_same, channel), sock=sock)
    return near, far, closed


def test_a_channel_carries_messages_and_tells_its_end() -> None:
    async def scenario() -> None:
        found: asyncio.Queue[Message] = asyncio.Queue()
        near, far, closed = await channels(found.put_nowait)
        near.send(Ready(1))
        near.send(Ready(2))
        assert [await found.get(), await found.get()] == [Ready(1), Ready(2)]
        near.close()
        assert await closed is None
        assert not far.is_open
        far.send(Ready(3))  # Nobody is there: not an error.

    uvloop.run(scenario())


def test_a_failing_handler_closes_its_channel() -> None:
    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

        def fail(message: Message) -> None:
            raise RuntimeError("bug")

        near, _, closed = await channels(fail)
        near.send(Stop())
        assert isinstance(await closed, RuntimeError)
        near.close()

    uvloop.run(scenario())
