"""One gateway for most end-to-end tests, and the origin behind it.

Starting a gateway costs a second, so tests that only send requests share one. Its routes differ in what
their service does: see ``CONFIG_NOTES``. After each test the shared gateway must still run and its log hold
no traceback.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin
from tests.support.ports import free_ports

# Milliseconds. Short where a test waits for them to pass, and long enough for a loaded machine elsewhere.
SHORT_MS = 400
LONG_MS = 60000

CONFIG_NOTES = {
    "/o": "the origin, prefix stripped",
    "/kept": "the origin, prefix kept, the client's Host kept",
    "/based": "the origin, under the service's own path",
    "/impatient": "the origin, short timeouts, no retries",
    "/retrying": "the origin, short read timeout, two retries",
    "/streamed": "the origin, without buffering of requests and responses",
    "/pair": "an upstream of two targets: a closed port and the origin",
    "/closed": "a port that nobody listens on",
    "/deaf": "a listener that accepts no connection",
    "/empty": "an upstream whose only target has no weight",
    "/nowhere": "a route without service",
}


@dataclass(frozen=True)
class Stage:
    """What the shared gateway consists of."""

    gateway: Gateway
    origin: Origin
    closed_port: int


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    (closed_port,) = free_ports(1)
    with Origin() as origin, deaf_listener() as deaf_port:
        timeouts: dict[str, Any] = {
            "connect_timeout": SHORT_MS,
            "read_timeout": SHORT_MS,
            "write_timeout": SHORT_MS,
        }
        file = write(
            folder,
            service(origin.address, "/o"),
            service(origin.address, "/kept", route={"strip_path": False, "preserve_host": True}),
            service(origin.address, "/based", path="/base"),
            service(origin.address, "/impatient", retries=0, **timeouts),
            service(origin.address, "/retrying", retries=2, **timeouts),
            service(
                origin.address, "/streamed", route={"request_buffering": False, "response_buffering": False}
            ),
            service("pair:80", "/pair"),
            service(f"127.0.0.1:{closed_port}", "/closed", retries=1),
            service(f"127.0.0.1:{deaf_port}", "/deaf", retries=0, **timeouts),
            service("empty:80", "/empty"),
            routes=[{"name": "nowhere", "paths": ["/nowhere"]}],
            upstreams=[
                {
                    "name": "pair",
                    "targets": [{"target": f"127.0.0.1:{closed_port}"}, {"target": origin.address}],
                },
                {"name": "empty", "targets": [{"target": origin.address, "weight": 0}]},
            ],
        )
        with Gateway(file) as gateway:
            yield Stage(gateway, origin, closed_port)


@pytest.fixture
def origin(stage: Stage) -> Origin:
    """The origin behind the shared gateway, as if fresh."""
    stage.origin.start_over()
    return stage.origin


@pytest.fixture
def gateway(stage: Stage, origin: Origin) -> Iterator[Gateway]:
    """The shared gateway; the test fails if it left a traceback in the log."""
    logged = len(stage.gateway.log.lines)
    yield stage.gateway
    assert stage.gateway.process.poll() is None, str(stage.gateway.log)
    fresh = stage.gateway.log.lines[logged:]
    assert not [line for line in fresh if "Traceback" in line], "\n".join(fresh)


@contextmanager
def deaf_listener() -> Iterator[int]:
    """Listen with a full backlog, so that further connections stay unanswered; yield the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
        for filler in fillers:
            filler.close()
