"""Clients that are too many, too slow, or never read: what they get, what it costs, and that others go on."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.client import Client, request_bytes
from tests.support.config import service, write
from tests.support.gateway import Gateway, resident_bytes
from tests.support.origin import Origin, OriginConnection

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024


@contextmanager
def limited(folder: Path, **environment: str) -> Iterator[tuple[Gateway, Origin]]:
    settings = {_variable(name): value for name, value in environment.items()}
    with Origin() as origin, Gateway(write(folder, service(origin.address)), environment=settings) as gateway:
        yield gateway, origin


def _variable(name: str) -> str:
    nginx = "nginx_" if name.startswith(("http_", "events_")) else ""
    return f"KONG_{nginx}{name}".upper()


def test_connections_beyond_the_limit_get_503_until_there_is_room(tmp_path: Path) -> None:
    with limited(tmp_path, events_worker_connections="3") as (gateway, _), ExitStack() as stack:
        held = [stack.enter_context(gateway.connect()) for _ in range(3)]
        for client in held:
            assert client.request().status == 200
        with gateway.connect() as fourth:
            answer = fourth.read_response("GET")
            assert (answer.status, answer.get("Connection")) == (503, "close")
            assert fourth.is_closed_by_peer()
        assert held[0].request().status == 200, "who is there goes on"
        gateway.log.wait_for("overloaded: 3 client connections")
        held.pop().close()
        gateway.log.wait_for("no longer overloaded: 1 were")
        assert gateway.fetch().status == 200


def test_requests_beyond_the_limit_get_503_until_there_is_room(tmp_path: Path) -> None:
    hold = threading.Event()

    def slow(connection: OriginConnection) -> None:
        connection.receive()
        hold.wait()
        connection.answer(b"late")

    with limited(tmp_path, max_active_requests="2") as (gateway, origin), ExitStack() as stack:
        origin.script = slow
        held = [stack.enter_context(gateway.connect()) for _ in range(2)]
        for client in held:
            client.send(request_bytes())
            origin.next_request()
        assert gateway.fetch().status == 503
        gateway.log.wait_for("overloaded: 2 requests in flight")
        hold.set()
        for client in held:
            assert client.read_response("GET").body == b"late"
        assert gateway.fetch().status == 200


def read_only(connection: OriginConnection) -> None:
    """Take a request and leave it unanswered."""
    connection.receive()


def wait_until_idle(gateway: Gateway) -> None:
    while gateway.status()["server"]["connections_active"]:
        gateway.log.pause(0.02)


def test_a_client_that_goes_away_makes_room(tmp_path: Path) -> None:
    with limited(tmp_path, max_active_requests="1") as (gateway, origin):
        origin.script = read_only
        for _ in range(3):
            client = gateway.connect()
            client.send(request_bytes())
            origin.next_request()
            client.reset()
            wait_until_idle(gateway)
        origin.start_over()
        assert gateway.fetch().status == 200


def test_running_out_of_descriptors_is_said_once_and_passes(tmp_path: Path) -> None:
    with limited(tmp_path) as (gateway, _), ExitStack() as stack:
        (pid,) = gateway.worker_pids()
        used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 10, hard))
        for _ in range(30):
            stack.enter_context(gateway.connect())
        gateway.log.wait_for("out of file descriptors")
        stack.close()
        gateway.log.wait_for("file descriptors again")
        assert gateway.fetch().status == 200
        assert sum("out of file descriptors" in line for line in gateway.log.lines) == 1


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_must_come_in_time(tmp_path: Path, start: bytes) -> None:
    with limited(tmp_path, http_client_header_timeout="300ms") as (gateway, _), gateway.connect() as client:
        client.send(start)
        if start:
            assert client.read_response("GET").status == 408
        assert client.is_closed_by_peer()


def test_dripping_does_not_prolong_the_time_of_a_head(tmp_path: Path) -> None:
    with limited(tmp_path, http_client_header_timeout="500ms") as (gateway, _), gateway.connect() as client:
        client.socket.settimeout(0.05)
        answer = b""
        for byte in request_bytes(headers=[("X-Padding", "x" * 1000)]):
            client.send(bytes((byte,)))
            try:
                answer = client.read_some()
                break
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_must_not_pause_too_long(tmp_path: Path) -> None:
    with limited(tmp_path, http_client_body_timeout="300ms") as (gateway, _), gateway.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        assert client.read_response("POST").status == 408
        assert client.is_closed_by_peer()


def test_a_client_that_never_reads_costs_little_and_is_cut(tmp_path: Path) -> None:
    size = 64 * MEGABYTE

    def pour(connection: OriginConnection) -> None:
        connection.receive()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MEGABYTE):
            connection.send(bytes(MEGABYTE))

    with limited(tmp_path, http_send_timeout="1s") as (gateway, origin):
        (pid,) = gateway.worker_pids()
        origin.script = pour
        before = resident_bytes(pid)
        with Client(gateway.port, receive_buffer=4096) as client:
            client.send(request_bytes())
            origin.next_request()
            status = gateway.status()["server"]
            while status["connections_active"]:
                assert resident_bytes(pid) - before < 16 * MEGABYTE
                gateway.log.pause(0.05)
                status = gateway.status()["server"]
        origin.start_over()
        assert gateway.fetch().status == 200


def test_a_connection_serves_so_many_requests(tmp_path: Path) -> None:
    with limited(tmp_path, http_keepalive_requests="3") as (gateway, _), gateway.connect() as client:
        answers = [client.request() for _ in range(3)]
        assert [answer.get("Connection") for answer in answers] == ["keep-alive", "keep-alive", "close"]
        assert client.is_closed_by_peer()


def test_an_idle_connection_is_closed_in_time(tmp_path: Path) -> None:
    with limited(tmp_path, http_keepalive_timeout="300ms") as (gateway, _), gateway.connect() as client:
        client.request()
        assert client.is_closed_by_peer()


def test_tls_handshakes_must_come_in_time(tmp_path: Path) -> None:
    with limited(tmp_path, proxy_listen="127.0.0.1:0 ssl", http_client_header_timeout="300ms") as (
        gateway,
        _,
    ):
        line = gateway.log.wait_for(r"started .*proxy=127\.0\.0\.1:(\d+)")
        port = int(line.split("proxy=127.0.0.1:")[1].split()[0])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as silent:
            assert silent.recv(1) == b""
