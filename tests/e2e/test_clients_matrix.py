"""Real clients through the gateway to real servers, plain and with TLS; the outcome is a page of the docs.

A tool that is not installed skips its row. ``CLIENT_MATRIX=write`` in the environment writes
``docs/internals/client-matrix.md`` from what this run has seen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.client import fetch
from tests.support.config import document, service
from tests.support.gateway import REPOSITORY, START_TIMEOUT_S, Gateway
from tests.support.ports import free_ports
from tests.support.real_programs import BODY_BYTES, CLIENTS, SERVERS

pytestmark = pytest.mark.slow

PAGE = REPOSITORY / "docs" / "internals" / "client-matrix.md"
RUN_TIMEOUT_S = 60
SPEAK_WEBSOCKET = ("uvicorn",)


def is_installed(tool: str) -> bool:
    return shutil.which(tool) is not None or (tool.isidentifier() and find_spec(tool) is not None)


@dataclass
class Arena:
    gateway: Gateway
    port: int
    tls_port: int
    folder: Path
    ca: str
    running: set[str]
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)


@contextmanager
def running(name: str, folder: Path, port: int) -> Iterator[None]:
    folder.mkdir()
    process = subprocess.Popen(
        SERVERS[name](folder, port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            assert process.poll() is None, f"{name} ended"
            assert time.monotonic() < deadline, f"{name} does not answer"
            try:
                fetch(port)
                break
            except OSError:
                time.sleep(0.05)  # There is no event to wait for: the server is not ours.
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("matrix")
    authority = Authority()
    cert, key = authority.issue("localhost")
    (folder / "ca.pem").write_text(authority.cert)
    installed = [name for name in SERVERS if is_installed(name)]
    plain, secure, *ports = free_ports(2 + len(installed))
    with ExitStack() as stack:
        for name, port in zip(installed, ports, strict=True):
            stack.enter_context(running(name, folder / name, port))
        file = folder / "kong.yaml"
        services = [
            service(f"127.0.0.1:{port}", f"/{name}") for name, port in zip(installed, ports, strict=True)
        ]
        certificate = {"cert": cert, "key": key, "snis": [{"name": "localhost"}]}
        file.write_text(document(*services, certificates=[certificate]))
        listen = {"KONG_PROXY_LISTEN": f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl"}
        gateway = stack.enter_context(Gateway(file, environment=listen))
        arena = Arena(gateway, plain, secure, folder, str(folder / "ca.pem"), set(installed))
        yield arena
    if os.environ.get("CLIENT_MATRIX") == "write":
        PAGE.write_text(page(arena.outcomes))


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_pair(arena: Arena, client: str, server: str) -> None:
    missing = [tool for tool in (client.split(" ")[0].rstrip(","), server) if not is_installed(tool)]
    if missing:
        arena.outcomes[client, server] = f"no {missing[0]} here"
        pytest.skip(f"{missing[0]} is not installed")
    arena.outcomes[client, server] = "fails"
    environment = os.environ | {"NODE_EXTRA_CA_CERTS": arena.ca}
    for url in (f"http://127.0.0.1:{arena.port}/{server}", f"https://localhost:{arena.tls_port}/{server}"):
        command = CLIENTS[client](arena.folder, url, arena.ca)
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False
        )
        assert ended.returncode == 0, (url, ended.stdout[-500:], ended.stderr[-2000:])
        check_output(client, server, ended.stdout)
    declines = client == "websockets" and server not in SPEAK_WEBSOCKET
    arena.outcomes[client, server] = "is told no" if declines else "works"


def check_output(client: str, server: str, output: str) -> None:
    """Programs that end with 0 whatever happened are judged by what they say."""
    if client == "wrk":
        assert " requests in " in output
        assert "Non-2xx" not in output
        assert "Socket errors" not in output
    elif client.startswith("h2load"):
        assert "200 succeeded, 0 failed, 0 errored, 0 timeout" in output
    elif client == "websockets":
        assert (output == "declined\n") == (server not in SPEAK_WEBSOCKET)
    elif client.startswith("curl --data"):
        # What nginx says of a body without a length is nothing.
        assert output == str(BODY_BYTES) or server == "nginx"
    elif client.startswith("curl") and client != "curl --head":
        assert output == "hello"


def page(outcomes: dict[tuple[str, str], str]) -> str:
    """Return the page that tells the outcomes."""
    lines = [
        "# Clients and servers",
        "",
        "<!-- Written by CLIENT_MATRIX=write pytest tests/e2e/test_clients_matrix.py -->",
        "",
        "Each client asked each server through the gateway, once over HTTP and once over TLS.",
        f"Libraries sent two GETs on one connection and a POST of {BODY_BYTES:,} bytes;",
        "curl sent what its switches say, wrk and h2load several hundred requests on four connections.",
        "websockets opened a WebSocket as a browser does and had a text and as many bytes echoed;",
        "a server that speaks no WebSocket answers without the upgrade, and so the client is told.",
        "",
        f"| client | {' | '.join(SERVERS)} |",
        f"| --- |{' --- |' * len(SERVERS)}",
    ]
    for client in CLIENTS:
        row = " | ".join(outcomes.get((client, server), "not run") for server in SERVERS)
        lines.append(f"| {client} | {row} |")
    return "\n".join([*lines, ""])
