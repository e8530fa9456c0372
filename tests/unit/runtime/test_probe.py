"""One active check against real sockets."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from dbless_gateway.balancing.health import Report
from dbless_gateway.runtime.health_messages import Address
from dbless_gateway.runtime.probe import Outcome, Probe
from tests.support.upstream_entities import healthchecks, upstream

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def probe(ca_file: str | None = None, host_header: str | None = None, **active: Any) -> Probe:
    """Return a probe; its timeout is far longer than anything takes here, however busy the machine is."""
    checks = healthchecks(active={"timeout": 60, **active})
    return Probe.of(upstream(healthchecks=checks, host_header=host_header), ca_file)


def check(
    with_probe: Probe, handler: Handler, context: ssl.SSLContext | None = None, host: str = "a.test"
) -> Outcome:
    """Run a check against a server with that handler."""

    async def main() -> Outcome:
        done = asyncio.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handler(reader, writer)
            finally:
                writer.transport.abort()
                done.set()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            outcome = await with_probe.check(Address(host, "127.0.0.1", port))
            if with_probe.type == "http":
                await done.wait()
            return outcome

    return uvloop.run(main())


def answer(data: bytes, seen: list[bytes] | None = None) -> Handler:
    """Return a handler that reads the request and sends ``data``."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(request)
        writer.write(data)
        await writer.drain()

    return handle


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the other side gives up."""
    await reader.read()


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Outcome(200, None, "status 200")),
        (b"HTTP/1.0 503\r\n", Outcome(503, None, "status 503")),
        (b"HTTP/1.1 404 Not Found", Outcome(404, None, "status 404")),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Outcome(0, Report.HTTP_FAILURE, "not an HTTP response")),
        (b"HTTP/1.1 20x\r\n", Outcome(0, Report.HTTP_FAILURE, "not an HTTP response")),
        (b"x" * 9000, Outcome(0, Report.HTTP_FAILURE, "not an HTTP response")),
        (b"", Outcome(0, Report.TCP_FAILURE, "closed without an answer")),
    ],
)
def test_responses(data: bytes, outcome: Outcome) -> None:
    assert outcome == check(probe(), answer(data))


def test_silence_is_a_timeout() -> None:
    assert check(probe(timeout=0.2), say_nothing) == Outcome(0, Report.TIMEOUT, "no answer within 0.2 s")


@pytest.mark.parametrize(
    ("host", "host_header", "active", "request_"),
    [
        (
            "a.test",
            None,
            {"http_path": "/up?x=1"},
            "GET /up?x=1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
        ),
        ("::1", None, {}, "GET / HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n"),
        ("a.test", "b.test", {}, "GET / HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n"),
        (
            "a.test",
            None,
            {"headers": {"X-A": ("1", "2"), "host": ("c.test",)}},
            "GET / HTTP/1.1\r\nConnection: close\r\nX-A: 1\r\nX-A: 2\r\nhost: c.test\r\n\r\n",
        ),
    ],
)
def test_request(host: str, host_header: str | None, active: dict[str, Any], request_: str) -> None:
    seen: list[bytes] = []
    check(probe(host_header=host_header, **active), answer(b"HTTP/1.1 200 OK\r\n\r\n", seen), host=host)
    assert seen == [request_.encode()]


def test_tcp() -> None:
    assert check(probe(type="tcp"), say_nothing) == Outcome(0, Report.SUCCESS, "connected")


@pytest.mark.parametrize("kind", ["tcp", "http", "https"])
def test_refused(kind: str) -> None:
    async def main() -> Outcome:
        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return await probe(type=kind).check(Address("a.test", "127.0.0.1", port))

    outcome = asyncio.run(main())
    assert outcome == Outcome(0, Report.TCP_FAILURE, "Connection refused")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for a.test, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "a.test.pem"
    key = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    name = ["-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test", "-days", "2"]
    subprocess.run([*key, *name, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    with path.open("a") as file:
        file.write(Path(f"{path}.crt").read_text())
    return path


@pytest.mark.parametrize(
    ("trusts", "host", "active", "status", "reason"),
    [
        (True, "a.test", {}, 200, "status 200"),
        (True, "10.0.0.1", {"https_sni": "a.test"}, 200, "status 200"),
        (True, "b.test", {}, 0, "certificate not accepted"),
        (False, "a.test", {}, 0, "certificate not accepted"),
        (False, "b.test", {"https_verify_certificate": False}, 200, "status 200"),
        (True, "x" * 70 + ".test", {}, 0, "label"),
    ],
)
def test_https(
    certificate: Path, trusts: bool, host: str, active: dict[str, Any], status: int, reason: str
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    secure = probe(str(certificate) if trusts else None, type="https", **active)
    outcome = check(secure, answer(b"HTTP/1.1 200 OK\r\n\r\n"), context, host)
    assert outcome.status == status
    assert reason in outcome.detail
    assert outcome.report is (None if status else Report.TCP_FAILURE)


def test_plain_server_for_https() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    outcome = check(probe(type="https"), handle)
    assert outcome.report is Report.TCP_FAILURE
    assert outcome.detail
