"""A receiver of logs that is dead costs a bounded queue and a counter, and no request waits for it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import fetch
from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin

pytestmark = pytest.mark.slow

LIMIT = 20
REQUESTS = 200
QUEUE = {"max_entries": LIMIT, "max_batch_size": 1, "max_retry_time": 3600}


def config_of(plugin: str, port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/"
    if plugin == "http-log":
        return {"http_endpoint": url, "queue": QUEUE}
    return {"http_endpoint": url, "sample_ratio": 1, "queue": QUEUE}


def lost(gateway: Gateway, plugin: str) -> int:
    text = fetch(gateway.status_port, "/metrics").body.decode()
    series = f'dbless_queue_lost_entries_total{{queue="{plugin}"}} '
    return sum(int(float(line.removeprefix(series))) for line in text.splitlines() if line.startswith(series))


@pytest.mark.parametrize("plugin", ["http-log", "zipkin"])
@pytest.mark.parametrize("kind", ["refuses", "never answers"])
def test_requests_go_on(tmp_path: Path, plugin: str, kind: str) -> None:
    # A listener whose backlog nobody empties takes connections and says nothing; a closed one refuses.
    sink = socket.create_server(("127.0.0.1", 0))
    port = sink.getsockname()[1]
    if kind == "refuses":
        sink.close()
    with sink, Origin() as origin:
        plugins = [{"name": plugin, "config": config_of(plugin, port)}, {"name": "prometheus"}]
        with Gateway(write(tmp_path, service(origin.address, "/", plugins=plugins))) as gateway:
            with gateway.connect() as client:
                statuses = {client.request(target=f"/{number}").status for number in range(REQUESTS)}
            assert statuses == {200}
            # All but what waits, and the batch that is on its way: nothing is held that nobody counts.
            assert lost(gateway, plugin) >= REQUESTS - LIMIT - 1
            gateway.log.wait_for("queue full, dropping old entries until processing is successful again")


def test_sink_that_comes_back_gets_the_newest(tmp_path: Path) -> None:
    placeholder = socket.create_server(("127.0.0.1", 0))
    port = placeholder.getsockname()[1]
    placeholder.close()
    queue = QUEUE | {"max_retry_delay": 0.05}
    with Origin() as origin:
        config = {"http_endpoint": f"http://127.0.0.1:{port}/", "queue": queue}
        plugins = [{"name": "http-log", "config": config}]
        with Gateway(write(tmp_path, service(origin.address, "/", plugins=plugins))) as gateway:
            for number in range(LIMIT * 2):
                gateway.fetch(f"/{number}")
            with socket.create_server(("127.0.0.1", port)) as sink:
                sink.settimeout(30)
                connection, _ = sink.accept()
                with connection:
                    # The first was on its way all the time; the others are the newest.
                    assert b'"uri":"/0"' in _answered(connection)
                    assert json.dumps(f"/{LIMIT}").encode() in _answered(connection)


def _answered(connection: socket.socket) -> bytes:
    """Take one request and answer it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return body
