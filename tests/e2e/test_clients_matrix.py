"""Real clients through the gateway to real servers, plain and with TLS; the outcome is a page of the docs.

A tool that is not installed skips its row. ``CLIENT_MATRIX=write`` in the environment writes
``docs/internals/client-matrix.md`` from what this run has seen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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

pytestmark = pytest.mark.slow

PAGE = REPOSITORY / "docs" / "internals" / "client-matrix.md"
BODY_BYTES = 300_000
RUN_TIMEOUT_S = 60

# Each server answers GET with "hello" and POST with the length of the body.
ASGI = """
async def app(scope, receive, send):
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode() if scope["method"] == "POST" else b"hello"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
"""
WSGI = """
def app(environ, start):
    size = 0
    while data := environ["wsgi.input"].read(65536):
        size += len(data)
    body = str(size).encode() if environ["REQUEST_METHOD"] == "POST" else b"hello"
    start("200 OK", [("Content-Type", "text/plain")])
    return [body]
"""
NODE = """
require("http").createServer((request, response) => {
  let size = 0;
  request.on("data", (chunk) => { size += chunk.length; });
  request.on("end", () => response.end(request.method === "POST" ? String(size) : "hello"));
}).listen(Number(process.argv[2]), "127.0.0.1");
"""
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; client_max_body_size 10m;
  server {{
    listen 127.0.0.1:{port};
    location / {{ if ($request_method = POST) {{ return 200 "$content_length"; }} return 200 "hello"; }}
  }}
}}
"""


def nginx_command(folder: Path, port: int) -> list[str]:
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def uvicorn_command(folder: Path, port: int) -> list[str]:
    (folder / "asgi_app.py").write_text(ASGI)
    return [sys.executable, "-m", "uvicorn", "--app-dir", str(folder), "--port", str(port), "asgi_app:app"]


def gunicorn_command(folder: Path, port: int) -> list[str]:
    (folder / "wsgi_app.py").write_text(WSGI)
    options = ["--chdir", str(folder), "--bind", f"127.0.0.1:{port}", "--threads", "2"]
    return [sys.executable, "-m", "gunicorn", *options, "--worker-tmp-dir", str(folder), "wsgi_app:app"]


def node_command(folder: Path, port: int) -> list[str]:
    (folder / "server.js").write_text(NODE)
    return ["node", str(folder / "server.js"), str(port)]


SERVERS: dict[str, Callable[[Path, int], list[str]]] = {
    "nginx": nginx_command,
    "uvicorn": uvicorn_command,
    "gunicorn": gunicorn_command,
    "node": node_command,
}

# Python clients: {url} and {ca} are arguments; each does two GETs on one connection and a POST.
REQUESTS = """
import requests, sys
with requests.Session() as s:
    s.trust_env = False  # Else a variable of the environment wins over verify.
    s.verify = sys.argv[2]
    for _ in range(2):
        assert s.get(sys.argv[1]).text == "hello"
    assert s.post(sys.argv[1], data=b"x" * SIZE).text == "SIZE"
"""
HTTPX = """
import httpx, ssl, sys
with httpx.Client(verify=ssl.create_default_context(cafile=sys.argv[2])) as c:
    for _ in range(2):
        assert c.get(sys.argv[1]).text == "hello"
    assert c.post(sys.argv[1], content=b"x" * SIZE).text == "SIZE"
"""
AIOHTTP = """
import aiohttp, asyncio, ssl, sys
async def main():
    context = ssl.create_default_context(cafile=sys.argv[2])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        for _ in range(2):
            async with session.get(sys.argv[1]) as answer:
                assert await answer.text() == "hello"
        async with session.post(sys.argv[1], data=b"x" * SIZE) as answer:
            assert await answer.text() == "SIZE"
asyncio.run(main())
"""
FETCH = """
(async () => {
  const url = process.argv[2];
  for (let i = 0; i < 2; i++) if (await (await fetch(url)).text() !== "hello") throw new Error("GET");
  const answer = await fetch(url, {method: "POST", body: "x".repeat(SIZE)});
  if (await answer.text() !== "SIZE") throw new Error("POST");
})().catch((error) => { console.error(error); process.exit(1); });
"""


def python_client(program: str) -> Callable[[Path, str, str], list[str]]:
    text = program.replace("SIZE", str(BODY_BYTES))
    return lambda folder, url, ca: [sys.executable, "-c", text, url, ca]


def fetch_command(folder: Path, url: str, ca: str) -> list[str]:
    (folder / "fetch.js").write_text(FETCH.replace("SIZE", str(BODY_BYTES)))
    return ["node", str(folder / "fetch.js"), url]


def curl(*switches: str, posts: bool = False) -> Callable[[Path, str, str], list[str]]:
    def command(folder: Path, url: str, ca: str) -> list[str]:
        (folder / "body").write_bytes(b"x" * BODY_BYTES)
        body = ["--data-binary", f"@{folder / 'body'}"] if posts else []
        return ["curl", "--silent", "--show-error", "--fail", "--cacert", ca, *switches, *body, url]

    return command


CLIENTS: dict[str, Callable[[Path, str, str], list[str]]] = {
    "curl": curl(),
    "curl --http1.0": curl("--http1.0"),
    "curl --http2": curl("--http2"),
    "curl --head": curl("--head"),
    "curl --compressed": curl("--compressed"),
    "curl --data": curl(posts=True),
    "curl --data, Expect": curl("-H", "Expect: 100-continue", posts=True),
    "curl --data, chunked": curl("-H", "Transfer-Encoding: chunked", posts=True),
    "requests": python_client(REQUESTS),
    "httpx": python_client(HTTPX),
    "aiohttp": python_client(AIOHTTP),
    "node fetch": fetch_command,
}


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
    missing = [tool for tool in (client.split(" ")[0], server) if not is_installed(tool)]
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
        if "--data" in client and server != "nginx":
            assert ended.stdout == str(BODY_BYTES)
        elif client.startswith("curl") and "--data" not in client and "--head" not in client:
            assert ended.stdout == "hello"
    arena.outcomes[client, server] = "works"


def page(outcomes: dict[tuple[str, str], str]) -> str:
    """Return the page that tells the outcomes."""
    lines = [
        "# Clients and servers",
        "",
        "<!-- Written by CLIENT_MATRIX=write pytest tests/e2e/test_clients_matrix.py -->",
        "",
        "Each client asked each server through the gateway, once over HTTP and once over TLS.",
        f"Libraries sent two GETs on one connection and a POST of {BODY_BYTES:,} bytes;",
        "curl sent what its switches say.",
        "",
        f"| client | {' | '.join(SERVERS)} |",
        f"| --- |{' --- |' * len(SERVERS)}",
    ]
    for client in CLIENTS:
        row = " | ".join(outcomes.get((client, server), "not run") for server in SERVERS)
        lines.append(f"| {client} | {row} |")
    return "\n".join([*lines, ""])
