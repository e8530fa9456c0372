"""TLS with clients, on transports without sockets: what goes out when, and what bad clients can do."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.proxy.client_tls import client_context
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.snapshot.certificates import NO_CERTIFICATES, TlsPolicy
from dbless_gateway.snapshot.key_pairs import KeyPair
from tests.support.authority import Authority
from tests.support.client import request_bytes
from tests.support.exchange_script import FarEnd, Stage
from tests.support.tls_client import trusting
from tests.support.wire import Wire
from tests.unit.proxy.conftest import MakeStage

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
LARGE_BYTES = 1_000_000


@pytest.fixture(scope="module")
def server() -> ssl.SSLContext:
    """Return the context of the listener."""
    pair = KeyPair(*Authority().issue("gateway.test"))
    return client_context(TlsPolicy(), [pair], lambda: NO_CERTIFICATES)


class TlsEnd(Wire):
    """A client that speaks TLS; ``raw`` is its connection as the network sees it."""

    def __init__(
        self,
        raw: FarEnd,
        version: ssl.TLSVersion = TLS_1_3,
        context: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.raw = raw
        self.context = context or trusting(None)
        self.context.minimum_version = self.context.maximum_version = version
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self._in, self._out, server_hostname="gateway.test", session=session)
        super().__init__(self)  # type: ignore[arg-type]

    def settimeout(self, seconds: float) -> None:
        """Nothing here waits."""

    def shake(self) -> TlsEnd:
        """Shake hands; what the client says last has been sent when this returns."""
        while not self.try_to_shake():
            self.raw.send(self.encrypted())
        self.raw.send(self.encrypted())
        return self

    def try_to_shake(self) -> bool:
        """Take one step of the handshake, and tell whether it was the last."""
        self._in.write(self.raw.receive())
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypted(self, data: bytes = b"") -> bytes:
        """Return what is to be sent now, with this behind it."""
        if data:
            self.tls.write(data)
        return self._out.read()

    def send(self, data: bytes) -> None:
        self.raw.send(self.encrypted(data))

    def recv(self, limit: int) -> bytes:
        while True:
            try:
                return self.tls.read(limit)
            except ssl.SSLWantReadError:
                data = self.raw.receive()
                if not data:
                    raise AssertionError("nothing more was sent, not even a goodbye") from None
                self._in.write(data)


def connected(stage: Stage, server: ssl.SSLContext, version: ssl.TLSVersion = TLS_1_3) -> TlsEnd:
    return TlsEnd(stage.connect(scheme="https", tls=server), version)


def log_of(stage: Stage) -> str:
    return "\n".join(stage.log)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_requests_are_answered_one_after_the_other(
    stage: Stage, server: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    client = connected(stage, server, version).shake()
    for number in range(3):
        client.send(request_bytes(target=f"/{number}"))
        if number == 0:
            target = stage.accept()
        forwarded = target.read_request()
        assert (forwarded.target, forwarded.get("X-Forwarded-Proto")) == (f"/{number}", "https")
        target.answer(b"%d" % number)
        assert client.read_response().body == b"%d" % number
    assert not client.raw.is_closed


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_the_last_response_and_the_goodbye_are_one_packet(
    stage: Stage, server: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    """With TLS 1.3 the tickets are in it, too; and nobody waits for the client's own goodbye."""
    client = connected(stage, server, version).shake()
    before = client.raw.transport.writes
    client.send(request_bytes(headers=[("Connection", "close")]))
    stage.accept().answer(b"bye")
    assert client.raw.transport.writes == before + 1
    assert client.raw.is_closed
    assert client.read_response().body == b"bye"
    assert client.is_closed_by_peer()
    again = TlsEnd(
        stage.connect(scheme="https", tls=server), version, client.context, client.tls.session
    ).shake()
    assert again.tls.session_reused


def test_a_long_response_before_the_end_goes_out_as_it_comes(stage: Stage, server: ssl.SSLContext) -> None:
    client = connected(stage, server).shake()
    client.send(request_bytes(headers=[("Connection", "close")]))
    target = stage.accept()
    target.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
    assert client.read_until(b"first").startswith(b"HTTP/1.1 200")
    target.send(b"again")
    assert client.read_to_end() == b"again"


def test_tickets_do_not_wait_for_a_request_that_does_not_come(stage: Stage, server: ssl.SSLContext) -> None:
    client = connected(stage, server).shake()
    assert client.raw.receive() == b""
    stage.pass_time(0)
    client._in.write(client.raw.receive())
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.read(1)
    session = client.tls.session
    assert session is not None
    assert session.has_ticket


def test_a_request_may_come_with_the_end_of_the_handshake(stage: Stage, server: ssl.SSLContext) -> None:
    client = connected(stage, server)
    while not client.try_to_shake():
        client.raw.send(client.encrypted())
    client.send(request_bytes())
    stage.accept().answer(b"at once")
    assert client.read_response().body == b"at once"


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_large_bodies_pass_both_ways(stage: Stage, server: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    body = bytes(range(250)) * (LARGE_BYTES // 250)
    client = connected(stage, server, version).shake()
    client.send(request_bytes("POST", body=body))
    target = stage.accept()
    assert target.read_request().body == body
    target.answer(body)
    before = client.raw.transport.writes
    assert client.read_response().body == body
    assert client.raw.transport.writes == before


def test_a_client_that_does_not_read_pauses_the_target(stage: Stage, server: ssl.SSLContext) -> None:
    client = connected(stage, server).shake()
    client.send(request_bytes())
    target = stage.accept()
    client.raw.stop_reading()
    target.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * LARGE_BYTES) + b"x" * LARGE_BYTES)
    assert target.is_paused
    client.raw.read_again()
    assert not target.is_paused
    target.send(b"y" * LARGE_BYTES)
    assert len(client.read_response().body) == 2 * LARGE_BYTES


def test_a_client_that_sends_ahead_has_to_wait(stage: Stage, server: ssl.SSLContext) -> None:
    client = connected(stage, server).shake()
    client.send(request_bytes())
    client.send(request_bytes("POST", body=b"x" * 100_000))
    assert client.raw.is_paused
    target = stage.accept()
    target.answer()
    assert client.read_response().status == 200
    assert not client.raw.is_paused
    assert target.read_request().method == "GET"
    assert target.read_request().body == b"x" * 100_000


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
def test_a_client_that_does_not_shake_hands_is_closed_in_time(
    make_stage: MakeStage, server: ssl.SSLContext, said: bytes
) -> None:
    stage = make_stage(options=ProxyOptions(client_header_timeout=5))
    silent = stage.connect(scheme="https", tls=server)
    if said:
        silent.send(said)
    stage.pass_time(4.8)
    assert not silent.is_closed
    stage.pass_time(0.2)
    assert silent.is_closed
    assert stage.gateway.is_idle


def test_handshakes_count_as_connections(make_stage: MakeStage, server: ssl.SSLContext) -> None:
    stage = make_stage(options=ProxyOptions(max_connections=2))
    silent = [stage.connect(scheme="https", tls=server) for _ in range(2)]
    client = connected(stage, server).shake()
    assert client.read_response().status == 503
    assert client.raw.is_closed
    silent[0].finish()
    assert not connected(stage, server).shake().raw.is_closed


def test_a_client_is_told_why_it_is_refused(stage: Stage, server: ssl.SSLContext) -> None:
    client = connected(stage, server, TLS_1_2)
    client.context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    client = TlsEnd(client.raw, TLS_1_2, client.context)
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        client.shake()
    assert client.raw.is_closed
    assert "client 192.0.2.7: the TLS handshake failed: no shared cipher" in log_of(stage)


def test_the_log_names_what_is_wrong_with_a_certificate_of_a_client(stage: Stage) -> None:
    people, strangers = Authority("People"), Authority("Strangers")
    policy = TlsPolicy(client_authorities=people.cert, verify_client="on")
    listener = client_context(policy, [KeyPair(*people.issue("gateway.test"))], lambda: NO_CERTIFICATES)
    client = connected(stage, listener, TLS_1_2)
    client = TlsEnd(client.raw, TLS_1_2, trusting(None, strangers.issue("bob.test")))
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        client.shake()
    assert "certificate verification failed: unable to get local issuer certificate" in log_of(stage)


def test_damaged_records_end_the_connection(stage: Stage, server: ssl.SSLContext) -> None:
    client = connected(stage, server).shake()
    damaged = bytearray(client.encrypted(request_bytes()))
    damaged[-1] ^= 1
    client.raw.send(bytes(damaged))
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        client.recv(1)
    assert client.raw.is_closed
    assert "TLS failed: decryption failed or bad record mac" in log_of(stage)


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_a_client_that_leaves_is_gone(stage: Stage, server: ssl.SSLContext, says_goodbye: bool) -> None:
    client = connected(stage, server).shake()
    client.send(request_bytes())
    target = stage.accept()
    if says_goodbye:
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        client.send(b"")
    else:
        client.raw.finish()
    assert client.raw.is_closed
    assert target.is_closed
    assert stage.finished[-1].status == 499
    assert stage.gateway.is_idle


def test_a_client_that_breaks_down_while_it_shakes_hands_leaves_nothing(
    stage: Stage, server: ssl.SSLContext
) -> None:
    client = connected(stage, server)
    assert not client.try_to_shake()
    client.raw.send(client.encrypted())
    assert not stage.gateway.is_idle
    client.raw.reset()
    assert stage.gateway.is_idle
    stage.pass_time(0)


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_http_without_tls_is_answered_as_such(stage: Stage, server: ssl.SSLContext, method: str) -> None:
    plain = stage.connect(scheme="https", tls=server)
    plain.send(request_bytes(method))
    answer = plain.read_response()
    assert answer.status == 400
    assert b"The plain HTTP request was sent to HTTPS port" in answer.body
    assert plain.is_closed
    assert stage.gateway.report()["connections_accepted"] == 1


def test_a_gateway_that_ends_lets_handshakes_end_first(stage: Stage, server: ssl.SSLContext) -> None:
    client, slow = connected(stage, server), connected(stage, server)
    assert not client.try_to_shake()
    client.raw.send(client.encrypted())
    stage.do(stage.gateway.start_draining)
    assert not client.raw.is_closed
    client.shake()
    client.send(request_bytes())
    stage.accept().answer(b"the last one")
    response = client.read_response()
    assert (response.body, response.get("Connection")) == (b"the last one", "close")
    assert not stage.gateway.is_idle
    stage.pass_time(2)
    assert slow.raw.is_closed
    assert stage.gateway.is_idle


def test_a_gateway_that_ends_does_not_wait_long_for_a_first_request(
    stage: Stage, server: ssl.SSLContext
) -> None:
    client = connected(stage, server)
    stage.do(stage.gateway.start_draining)
    client.shake()
    stage.pass_time(1)
    assert not client.raw.is_closed
    stage.pass_time(1)
    assert client.raw.is_closed


def test_close_drops_handshakes(stage: Stage, server: ssl.SSLContext) -> None:
    client = connected(stage, server)
    stage.do(stage.gateway.close)
    assert client.raw.is_closed


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 900), max_size=12), version=st.sampled_from([TLS_1_2, TLS_1_3]))
def test_segments_do_not_matter(server: ssl.SSLContext, cuts: list[int], version: ssl.TLSVersion) -> None:
    stage = Stage()
    client = connected(stage, server, version)

    def send(data: bytes) -> None:
        at = 0
        for cut in cuts:
            if data[at : at + cut]:
                client.raw.send(data[at : at + cut])
            at += cut
        if data[at:]:
            client.raw.send(data[at:])

    while not client.try_to_shake():
        send(client.encrypted())
    send(client.encrypted(request_bytes("POST", body=b"abc" * 100)) + client.encrypted(request_bytes()))
    target = stage.accept()
    assert target.read_request().body == b"abc" * 100
    target.answer(b"first")
    assert target.read_request().method == "GET"
    target.answer(b"second")
    assert [response.body for response in (client.read_response(), client.read_response())] == [
        b"first",
        b"second",
    ]
    assert stage.bugs == []
