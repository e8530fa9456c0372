"""TLS sessions: read record by record, and without room for what cannot come."""

from __future__ import annotations

import ssl
import tracemalloc
from contextlib import suppress

import pytest

from dbless_gateway.snapshot.tls_session import TlsSession
from tests.support.certificates import self_signed

RECORD_BYTES = 16384
# What uvloop asks for.
LOOP_READS_BYTES = 256 * 1024


@pytest.fixture
def received() -> TlsSession:
    """A client's session that has received a record and a half."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslobject_class = TlsSession
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server)
    server = self_signed().wrap_bio(to_server, to_client, server_side=True)
    for end in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    server.write(b"x" * (RECORD_BYTES + RECORD_BYTES // 2))
    assert isinstance(client, TlsSession)
    return client


@pytest.mark.parametrize("asked", [RECORD_BYTES, LOOP_READS_BYTES])
def test_a_read_returns_one_record(received: TlsSession, asked: int) -> None:
    assert [len(received.read(asked)) for _ in range(2)] == [RECORD_BYTES, RECORD_BYTES // 2]
    with pytest.raises(ssl.SSLWantReadError):
        received.read(asked)


def test_less_can_be_asked_for(received: TlsSession) -> None:
    assert received.read(10) == b"x" * 10


def test_a_buffer_can_be_filled(received: TlsSession) -> None:
    buffer = bytearray(100)
    assert received.read(100, buffer) == 100
    assert buffer == b"x" * 100


def test_a_read_makes_room_for_one_record_only(received: TlsSession) -> None:
    tracemalloc.start()
    try:
        received.read(LOOP_READS_BYTES)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2 * RECORD_BYTES
