"""What 10,000 idle keep-alive connections cost: memory of the worker, and whether it still answers at once.

``python -m benchmarks.soak_idle [connections] [--tls]`` starts a gateway with one worker on free ports, sends
a request on each connection and leaves all of them open. Exits with 1 when the worker is larger than the
limit. Needs as many file descriptors as connections, here and in the gateway (``ulimit -n``). Seen with
CPython 3.11: 62 MiB in all without TLS (2 KiB for each connection), 223 MiB with it (19 KiB, mostly
OpenSSL's).
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.support.config import service, write
from tests.support.gateway import Gateway, resident_bytes
from tests.support.origin import Origin
from tests.support.ports import free_ports

CONNECTIONS = 10_000
LIMIT_BYTES = 300 * 1024 * 1024
# Opened at the same time; more would overflow nothing but only wait.
AT_ONCE = 200
REQUEST = b"GET / HTTP/1.1\r\nHost: soak.test\r\n\r\n"


async def open_all(port: int, count: int, tls: ssl.SSLContext | None) -> list[asyncio.StreamWriter]:
    """Open connections, send one request on each, return them idle."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def open_one() -> asyncio.StreamWriter:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            return writer

    return list(await asyncio.gather(*(open_one() for _ in range(count))))


async def soak(gateway: Gateway, port: int, count: int, tls: ssl.SSLContext | None) -> int:
    """Measure and print; return how much the worker grew."""
    (pid,) = gateway.worker_pids()
    before = resident_bytes(pid)
    began = time.perf_counter()
    writers = await open_all(port, count, tls)
    took_s = time.perf_counter() - began
    grown = resident_bytes(pid) - before
    began = time.perf_counter()
    assert (await asyncio.to_thread(gateway.fetch)).status == 200
    answer_ms = (time.perf_counter() - began) * 1000
    print(f"{count} connections opened in {took_s:.1f} s, {len(writers)} idle")
    print(f"worker: {before / 2**20:.0f} MiB before, {(before + grown) / 2**20:.0f} MiB with them")
    print(f"per connection: {grown / count / 1024:.1f} KiB; a request beside them: {answer_ms:.1f} ms")
    for writer in writers:
        writer.transport.abort()
    return before + grown


def anybody() -> ssl.SSLContext:
    """Return a client's context that takes the generated certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connections", nargs="?", type=int, default=CONNECTIONS)
    parser.add_argument("--tls", action="store_true")
    arguments = parser.parse_args()
    plain, secure = free_ports(2)
    environment = {"KONG_PROXY_LISTEN": f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl"}
    with tempfile.TemporaryDirectory() as folder, Origin() as origin:
        file = write(Path(folder), service(origin.address))
        with Gateway(file, environment=environment) as gateway:
            gateway.port = plain
            port, tls = (secure, anybody()) if arguments.tls else (plain, None)
            resident = uvloop.run(soak(gateway, port, arguments.connections, tls))
    return int(resident > LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
