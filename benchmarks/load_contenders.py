"""Who is measured, and against what: the backend, and each proxy as a process pinned to the proxy core.

Every contender does the same work for a request: routing, X-Real-IP, X-Forwarded-*, Via, a request id in
both directions, and a pool of idle connections to the backend. All files live in a temporary folder and all
ports are free loopback ports. Only processes started here are ended, each by its own handle.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import NamedTuple

from dbless_gateway.http1.extensions import SWITCH as WITHOUT_EXTENSIONS
from dbless_gateway.snapshot.certificates import INTERMEDIATE_CIPHERS
from tests.support.authority import Authority
from tests.support.gateway import Gateway
from tests.support.ports import free_ports

PROXY_CORE = 0
LOAD_CORE = 1
SMALL_BODY = b"hello from the backend\n"
LARGE_BODY_BYTES = 1024 * 1024
START_TIMEOUT_S = 15.0

_NGINX_COMMON = """\
user {user};
worker_processes 1;
daemon off;
pid {folder}/{name}.pid;
error_log {folder}/{name}.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi;
  uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
{server}
}}
"""

_BACKEND_SERVER = """\
  sendfile on;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ /large$ {{ root {folder}; default_type application/octet-stream; try_files /large.bin =404; }}
    # WebDAV, because it reads a body to its end before it answers.
    location ~ /upload$ {{ root {folder}/uploads; dav_methods PUT; create_full_put_path on; }}
    location / {{ default_type text/plain; return 200 "hello from the backend\\n"; }}
  }}
"""

# The header names are Kong's, so that nginx writes as many bytes as the gateway does.
_PROXY_SERVER = """\
  upstream backend {{ server 127.0.0.1:{backend_port}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} {tls}backlog=4096;
{tls_lines}\
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Connection "";
      proxy_set_header Host 127.0.0.1:{backend_port};
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Forwarded-Path $uri;
      proxy_set_header Via "1.1 kong/3.9.1";
      proxy_set_header X-Kong-Request-Id $request_id;
      add_header Via "1.1 kong/3.9.1";
      add_header X-Kong-Upstream-Latency $upstream_response_time;
      add_header X-Kong-Proxy-Latency $request_time;
      add_header X-Kong-Request-Id $request_id;
    }}
  }}
"""

# Tickets, buffers and protocols are nginx's own; the certificate and the ciphers of TLS 1.2 are the gateway's.
_TLS_LINES = """\
    ssl_certificate {tls.cert};
    ssl_certificate_key {tls.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers {ciphers};
"""

_HAPROXY = """\
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  http-reuse always
frontend proxy
  bind 127.0.0.1:{port} backlog 4096
  unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid
  unique-id-header X-Kong-Request-Id
  option forwardfor
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Path %[path]
  http-request set-header Via "1.1 kong/3.9.1"
  http-response set-header Via "1.1 kong/3.9.1"
  http-response set-header X-Kong-Request-Id %[unique-id]
  default_backend backend
backend backend
  server one 127.0.0.1:{backend_port} pool-max-conn 128
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """A running proxy: where it listens, and the process whose whole tree is its cost."""

    name: str
    port: int
    pid: int
    scheme: str = "http"

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"{self.scheme}://127.0.0.1:{self.port}/"


class KeyFiles(NamedTuple):
    """What contenders show to clients that speak TLS."""

    cert: Path
    key: Path


@contextmanager
def backend(folder: Path) -> Iterator[int]:
    """Run the backend on the load core; yield its port."""
    (folder / "large.bin").write_bytes(os.urandom(LARGE_BODY_BYTES))
    (port,) = free_ports(1)
    server = _BACKEND_SERVER.format(port=port, folder=folder)
    with _nginx(folder, "backend", server, port, LOAD_CORE):
        yield port


@contextmanager
def nginx(folder: Path, backend_port: int, tls: KeyFiles | None = None) -> Iterator[Contender]:
    """Run nginx as the reverse proxy that everything is compared with."""
    (port,) = free_ports(1)
    server = _PROXY_SERVER.format(
        port=port,
        backend_port=backend_port,
        tls="ssl " if tls else "",
        tls_lines=_TLS_LINES.format(tls=tls, ciphers=INTERMEDIATE_CIPHERS) if tls else "",
    )
    with _nginx(folder, "nginx", server, port, PROXY_CORE) as pid:
        yield Contender("nginx", port, pid, "https" if tls else "http")


@contextmanager
def haproxy(folder: Path, backend_port: int) -> Iterator[Contender]:
    """Run HAProxy with one thread."""
    (port,) = free_ports(1)
    file = folder / "haproxy.cfg"
    file.write_text(_HAPROXY.format(port=port, backend_port=backend_port))
    with _process([_found("haproxy"), "-db", "-f", str(file)], port, PROXY_CORE) as pid:
        yield Contender("haproxy", port, pid)


@contextmanager
def gateway(
    name: str,
    config: Path,
    python: Path | None = None,
    tls: KeyFiles | None = None,
    *,
    without_extensions: bool = False,
) -> Iterator[Contender]:
    """Run our gateway with one worker; ``python`` has another build of it installed."""
    environment = {WITHOUT_EXTENSIONS: "1"} if without_extensions else {}
    if tls is not None:
        (port,) = free_ports(1)
        environment |= {
            "KONG_PROXY_LISTEN": f"127.0.0.1:{port} ssl reuseport backlog=4096",
            "KONG_SSL_CERT": str(tls.cert),
            "KONG_SSL_CERT_KEY": str(tls.key),
        }
    with Gateway(config, workers=1, python=python, environment=environment) as process:
        for pid in process_tree(process.process.pid):
            pin(pid, PROXY_CORE)
        if tls is None:
            yield Contender(name, process.port, process.process.pid)
        else:
            yield Contender(name, port, process.process.pid, "https")


def write_key_files(folder: Path) -> KeyFiles:
    """Write a certificate with an elliptic key, which is what most servers show today."""
    pem = Authority().issue("gateway.test")
    files = KeyFiles(folder / "cert.pem", folder / "key.pem")
    files.cert.write_text(pem.cert)
    files.key.write_text(pem.key)
    return files


def pin(pid: int, core: int) -> None:
    """Keep a process, with all threads that it has by now, on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def is_installed(program: str) -> bool:
    """Tell whether a program is there; Debian keeps servers in /usr/sbin, off a plain user's path."""
    return _which(program) is not None


def process_tree(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything; what follows it is plain.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended while we looked.
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for member in found:
        found.extend(children.get(member, []))
    return found


def _which(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")


def _found(program: str) -> str:
    path = _which(program)
    if path is None:
        raise SystemExit(f"{program} is not installed (Debian: apt-get install nginx-light wrk)")
    return path


@contextmanager
def _nginx(folder: Path, name: str, server: str, port: int, core: int) -> Iterator[int]:
    file = folder / f"{name}.conf"
    file.write_text(_NGINX_COMMON.format(folder=folder, name=name, server=server, user=getuser()))
    command = [_found("nginx"), "-e", f"{folder}/{name}.log", "-p", str(folder), "-c", str(file)]
    with _process(command, port, core) as pid:
        yield pid


@contextmanager
def _process(command: list[str], port: int, core: int) -> Iterator[int]:
    process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.DEVNULL)
    try:
        _wait_for_port(port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise SystemExit(f"{process.args!r} does not listen")
