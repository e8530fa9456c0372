"""An upgraded connection is a tunnel: a real WebSocket client and server talk through it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection

LARGE_MESSAGE = b"x" * 2_000_000


def echo(connection: ServerConnection) -> None:
    """Say the path, then everything that is said."""
    assert connection.request is not None
    connection.send(connection.request.path)
    for message in connection:
        if message == "hang up":
            connection.close(code=4001, reason="as asked")
            return
        connection.send(message)


@pytest.fixture(scope="module")
def echo_server() -> Iterator[Server]:
    with serve(echo, "127.0.0.1", 0, max_size=2 * len(LARGE_MESSAGE)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def websocket_gateway(tmp_path_factory: pytest.TempPathFactory, echo_server: Server) -> Iterator[Gateway]:
    port = echo_server.socket.getsockname()[1]
    file = write(
        tmp_path_factory.mktemp("websocket"),
        service(f"127.0.0.1:{port}", "/ws"),
        service(f"127.0.0.1:{port}", "/idle", read_timeout=400, write_timeout=400),
    )
    with Gateway(file) as gateway:
        yield gateway


def test_echo(websocket_gateway: Gateway) -> None:
    with connect(f"ws://127.0.0.1:{websocket_gateway.port}/ws/chat?room=1") as client:
        assert client.recv() == "/chat?room=1"
        client.send("hello")
        assert client.recv() == "hello"
        assert client.response is not None
        assert client.response.headers["Via"] == "1.1 kong/3.9.1"


def test_large_binary_message(websocket_gateway: Gateway) -> None:
    with connect(f"ws://127.0.0.1:{websocket_gateway.port}/ws", max_size=2 * len(LARGE_MESSAGE)) as client:
        client.recv()
        client.send(LARGE_MESSAGE)
        assert client.recv() == LARGE_MESSAGE


def test_close_code_of_the_server_arrives(websocket_gateway: Gateway) -> None:
    with connect(f"ws://127.0.0.1:{websocket_gateway.port}/ws") as client:
        client.recv()
        client.send("hang up")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4001


def test_silent_tunnel_is_closed_after_the_services_timeout(websocket_gateway: Gateway) -> None:
    with connect(f"ws://127.0.0.1:{websocket_gateway.port}/idle", ping_interval=None) as client:
        client.recv()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)


def test_tunnel_outlives_a_reload(websocket_gateway: Gateway) -> None:
    (file,) = websocket_gateway.files
    with connect(f"ws://127.0.0.1:{websocket_gateway.port}/ws") as client:
        client.recv()
        before = websocket_gateway.status()["configuration_hash"]
        file.write_text(file.read_text() + "# changed\n")
        websocket_gateway.wait_for_configuration(before)
        client.send("still there?")
        assert client.recv() == "still there?"


def test_target_that_declines_the_upgrade(gateway: Gateway, origin: Origin) -> None:
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]

    response = gateway.fetch("/o", headers=headers)

    request = origin.next_request()
    assert (request.get("Upgrade") or "").lower() == "websocket"
    assert "upgrade" in (request.get("Connection") or "").lower()
    assert (response.status, response.body) == (200, b"origin")


def test_bytes_right_behind_the_upgrade_are_not_lost(gateway: Gateway, origin: Origin) -> None:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            b"from target"
        )
        connection.send(connection.read_exactly(11).upper())
        connection.close()

    origin.script = script
    with gateway.connect() as client:
        client.send(
            b"GET /o HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        assert client.read_head().start_line.startswith("HTTP/1.1 101")
        assert client.read_exactly(11) == b"from target"
        client.send(b"from client")
        assert client.read_to_end() == b"FROM CLIENT"
