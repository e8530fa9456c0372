"""Large bodies pass in flat memory, unchanged, at the pace of the slower side."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from tests.support.client import Client, request_bytes
from tests.support.gateway import Gateway, resident_bytes
from tests.support.origin import Origin, OriginConnection
from tests.support.wire import TIMEOUT_S, Wire

# DBLESS_TEST_BODY_MB=1024 makes it the full gigabyte.
BODY_BYTES = int(os.environ.get("DBLESS_TEST_BODY_MB", "256")) * 1024 * 1024
BLOCK = os.urandom(1024 * 1024)
MEMORY_GROWTH_LIMIT_BYTES = 24 * 1024 * 1024


def largest_socket_buffer(kind: str) -> int:
    """Return up to how many bytes the kernel lets a socket's buffer grow by itself."""
    return int(Path(f"/proc/sys/net/ipv4/tcp_{kind}").read_text().split()[2])


# What may be under way between a fast sender and a reader that does not read: the buffers of two pairs of
# sockets, and the gateway's own.
IN_FLIGHT_LIMIT_BYTES = 2 * (largest_socket_buffer("rmem") + largest_socket_buffer("wmem")) + 8 * 1024 * 1024
# A sender that could not place one byte for so long is taken to be held up.
STUCK_AFTER_S = 0.7


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.slow
def test_large_response(gateway: Gateway, origin: Origin, framing: str) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        if framing == "length":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES)
        else:
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(BODY_BYTES // len(BLOCK)):
            connection.send(BLOCK if framing == "length" else b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))
        if framing == "chunked":
            connection.send(b"0\r\n\r\n")

    origin.script = script
    (pid,) = gateway.worker_pids()
    before = resident_bytes(pid)
    with gateway.connect() as client:
        client.send(request_bytes(target="/o"))
        head = client.read_head()
        assert head.start_line.startswith("HTTP/1.1 200")
        if framing == "length":
            client.discard(BODY_BYTES)
        else:
            discard_chunks(client, BODY_BYTES)
    assert resident_bytes(pid) - before < MEMORY_GROWTH_LIMIT_BYTES


@pytest.mark.slow
def test_large_streamed_request(gateway: Gateway, origin: Origin) -> None:
    received = 0

    def script(connection: OriginConnection) -> None:
        nonlocal received
        connection.receive_head()
        connection.discard(BODY_BYTES)
        received = BODY_BYTES
        connection.answer(b"got it")

    origin.script = script
    (pid,) = gateway.worker_pids()
    before = resident_bytes(pid)
    with gateway.connect() as client:
        head = f"PUT /streamed HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
        client.send(head.encode())
        for _ in range(BODY_BYTES // len(BLOCK)):
            client.send(BLOCK)
        assert client.read_response().body == b"got it"
    assert received == BODY_BYTES
    assert resident_bytes(pid) - before < MEMORY_GROWTH_LIMIT_BYTES


@pytest.mark.parametrize("path", ["/o", "/streamed"])
@pytest.mark.parametrize("size", [0, 1, 16_384, 65_535, 65_536, 1_000_003])
def test_bodies_arrive_unchanged(gateway: Gateway, origin: Origin, path: str, size: int) -> None:
    """There and back, across the sizes at which buffers change hands."""

    def script(connection: OriginConnection) -> None:
        connection.answer(connection.receive().body)

    origin.script = script
    body = (BLOCK * 2)[:size]
    response = gateway.fetch(path, method="PUT", body=body)
    assert hashlib.sha256(response.body).hexdigest() == hashlib.sha256(body).hexdigest()


@pytest.mark.slow
def test_client_that_does_not_read_slows_the_target(gateway: Gateway, origin: Origin) -> None:
    sent = 0
    stuck = threading.Event()

    def script(connection: OriginConnection) -> None:
        nonlocal sent
        connection.receive()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES)
        sent = send_until_stuck(connection)
        stuck.set()
        send_blocks(connection, BODY_BYTES - sent)

    origin.script = script
    with Client(gateway.port, receive_buffer=65536) as client:
        client.send(request_bytes(target="/o"))
        head = client.read_head()
        assert stuck.wait(TIMEOUT_S)
        assert sent < IN_FLIGHT_LIMIT_BYTES
        assert head.get("Content-Length") == str(BODY_BYTES)
        client.discard(BODY_BYTES)


@pytest.mark.slow
def test_target_that_does_not_read_slows_the_client(gateway: Gateway, origin: Origin) -> None:
    may_read = threading.Event()

    def script(connection: OriginConnection) -> None:
        connection.receive_head()
        assert may_read.wait(TIMEOUT_S)
        connection.discard(BODY_BYTES)
        connection.answer(b"got it")

    origin.script = script
    with gateway.connect() as client:
        head = f"PUT /streamed HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
        client.send(head.encode())
        sent = send_until_stuck(client)
        assert sent < IN_FLIGHT_LIMIT_BYTES
        may_read.set()
        send_blocks(client, BODY_BYTES - sent)
        assert client.read_response().body == b"got it"


def send_until_stuck(wire: Wire) -> int:
    """Send until nothing has moved for a while, at most a whole body; return how much went out."""
    sent = 0
    wire.socket.settimeout(STUCK_AFTER_S)
    try:
        while sent < BODY_BYTES:
            sent += wire.socket.send(BLOCK)
    except TimeoutError:
        pass
    finally:
        wire.socket.settimeout(TIMEOUT_S)
    return sent


def send_blocks(wire: Wire, count: int) -> None:
    """Send that many bytes."""
    while count:
        count -= wire.socket.send(BLOCK[:count])


def discard_chunks(client: Client, expected: int) -> None:
    """Read a chunked body of that many bytes without keeping it."""
    total = 0
    while size := int(client.read_until(b"\r\n").split(b";")[0], 16):
        client.discard(size)
        assert client.read_exactly(2) == b"\r\n"
        total += size
    assert client.read_until(b"\r\n") == b"\r\n"
    assert total == expected
