"""Servers and clients that people use, as commands: what runs on both sides of a gateway in the matrix test.

The programs of Python and Node are texts here and run as processes of their own, so that nothing of theirs is
loaded into the tests. A client is given a folder for its files, a URL and the authority that it is to trust.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

BODY_BYTES = 300_000

# Each server answers GET with "hello" and POST with the length of the body.
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (said := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": said.get("text"), "bytes": said.get("bytes")})
        return
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
# A server that speaks no WebSocket answers as if it had not been asked; that is for the client to see, too.
WEBSOCKETS = """
import ssl, sys
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
url = sys.argv[1].replace("http", "ws", 1)
context = ssl.create_default_context(cafile=sys.argv[2]) if url.startswith("wss") else None
try:
    with connect(url, ssl=context, origin="https://shop.test", proxy=None) as client:
        for message in ("hello", b"x" * SIZE):
            client.send(message)
            assert client.recv() == message
except InvalidStatus as declined:
    assert (declined.response.status_code, declined.response.body) == (200, b"hello")
    print("declined")
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


def upload_command(folder: Path, url: str, ca: str) -> list[str]:
    return curl("--upload-file", str(folder / "body"))(folder, url, ca)


def wrk_command(folder: Path, url: str, ca: str) -> list[str]:
    return ["wrk", "-t1", "-c4", "-d1s", url]


def h2load_command(folder: Path, url: str, ca: str) -> list[str]:
    return ["h2load", "--h1", "--requests=200", "--clients=4", url]


CLIENTS: dict[str, Callable[[Path, str, str], list[str]]] = {
    "curl": curl(),
    "curl --http1.0": curl("--http1.0"),
    "curl --http2": curl("--http2"),
    "curl --head": curl("--head"),
    "curl --user": curl("--user", "ann:secret"),
    "curl --cookie": curl("--cookie", "a=b; c=d"),
    "curl --location": curl("--location"),
    "curl --get --data": curl("--get", "--data-urlencode", "q=a b&c"),
    "curl --upload-file": upload_command,
    "curl, Connection: close": curl("-H", "Connection: close"),
    "curl --compressed": curl("--compressed"),
    "curl --data": curl(posts=True),
    "curl --data, Expect": curl("-H", "Expect: 100-continue", posts=True),
    "curl --data, chunked": curl("-H", "Transfer-Encoding: chunked", posts=True),
    "requests": python_client(REQUESTS),
    "httpx": python_client(HTTPX),
    "aiohttp": python_client(AIOHTTP),
    "node fetch": fetch_command,
    "websockets": python_client(WEBSOCKETS),
    "wrk": wrk_command,
    "h2load --h1": h2load_command,
}
