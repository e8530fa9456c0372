"""TLS with clients: certificates by server name, reloads, redirects, and who may come in."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.authority import Authority, Pem
from tests.support.client import Client, fetch
from tests.support.config import document, parse_json, service
from tests.support.gateway import Gateway, write_atomically
from tests.support.origin import Origin
from tests.support.ports import free_ports
from tests.support.tls_client import TlsClient, trusting
from tests.support.wire import ConnectionClosed, Wire

pytestmark = pytest.mark.slow

# What a client may see of a handshake that fails.
REFUSED = (ssl.SSLError, ConnectionError, ConnectionClosed)


@dataclass
class TlsStage:
    """A gateway with a plain port and a port with TLS."""

    gateway: Gateway
    origin: Origin
    port: int
    authority: Authority
    file: Path

    def client(self, name: str | None = None, trust: bool = True, **rest: Any) -> TlsClient:
        return TlsClient(self.port, trusting(self.authority.cert if trust else None), name, **rest)

    def shown(self, name: str | None) -> str:
        """Return the common name of the certificate that this server name gets."""
        with self.client(name, trust=False) as client:
            return client.common_name()


def certificate(pem: Pem, *names: str) -> dict[str, Any]:
    return {"cert": pem.cert, "key": pem.key, "snis": [{"name": name} for name in names]}


def text(authority: Authority, address: str, mark: str = "first") -> str:
    """Return a configuration whose certificate for exact.test has the mark in its name."""
    return document(
        service(address, "/"),
        service(address, "/secure", route={"protocols": ["https"], "https_redirect_status_code": 308}),
        service(address, "/strict", route={"protocols": ["https"]}),
        service(address, "/named", route={"protocols": ["https"], "snis": ["exact.test"]}),
        certificates=[
            certificate(authority.issue("exact.test", common_name=f"exact {mark}"), "exact.test"),
            certificate(authority.issue("*.wild.test", common_name="left"), "*.wild.test"),
            certificate(authority.issue("right.test", common_name="right"), "right.*"),
        ],
    )


@contextmanager
def started(folder: Path, *, flags: str = "", **environment: str) -> Iterator[TlsStage]:
    (port,) = free_ports(1)
    authority = Authority()
    file = folder / "kong.yaml"
    with Origin() as origin:
        file.write_text(text(authority, origin.address))
        plain = free_ports(1)[0]
        listen = {"KONG_PROXY_LISTEN": f"127.0.0.1:{plain}, 127.0.0.1:{port} ssl reuseport {flags}"}
        with Gateway(file, environment=listen | environment) as gateway:
            gateway.port = plain
            yield TlsStage(gateway, origin, port, authority, file)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsStage]:
    with started(tmp_path_factory.mktemp("tls")) as stage:
        yield stage


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exact.test", "exact first"),
        ("EXACT.test", "exact first"),
        ("a.wild.test", "left"),
        ("a.b.wild.test", "localhost"),
        ("right.org", "right"),
        ("unknown.test", "localhost"),
        (None, "localhost"),
    ],
)
def test_the_server_name_chooses_the_certificate(stage: TlsStage, name: str | None, expected: str) -> None:
    assert stage.shown(name) == expected


def test_requests_are_proxied_and_the_target_learns_of_https(stage: TlsStage) -> None:
    stage.origin.start_over()
    with stage.client("exact.test") as client:
        for _ in range(3):
            assert client.request().status == 200
        assert client.tls.selected_alpn_protocol() == "http/1.1"
        assert client.tls.version() == "TLSv1.3"
    forwarded = stage.origin.next_request()
    assert forwarded.get("X-Forwarded-Proto") == "https"
    assert forwarded.get("X-Forwarded-Port") == str(stage.port)


def test_large_bodies_pass_both_ways(stage: TlsStage) -> None:
    body = bytes(range(256)) * 8192

    def echo(connection: Any) -> None:
        connection.answer(connection.receive().body)

    stage.origin.script = echo
    try:
        with stage.client("exact.test") as client:
            assert client.request("POST", "/", body=body).body == body
    finally:
        stage.origin.start_over()


@pytest.mark.parametrize(("target", "status"), [("/secure/x?y=1", 308), ("/strict", 426)])
def test_routes_for_https_send_plain_clients_away(stage: TlsStage, target: str, status: int) -> None:
    answer = stage.gateway.fetch(target)
    assert answer.status == status
    if status == 308:
        assert (answer.get("Location") or "").startswith("https://gateway.test")
        assert (answer.get("Location") or "").endswith("/secure/x?y=1")
    with stage.client("exact.test") as client:
        assert client.request(target=target).status == 200


@pytest.mark.parametrize(("name", "takes"), [("exact.test", "/named"), ("a.wild.test", "/"), (None, "/")])
def test_routes_by_server_name(stage: TlsStage, name: str | None, takes: str) -> None:
    """The route with snis takes the requests of its name; others fall to the route of /."""
    stage.origin.start_over()
    with stage.client(name, trust=False) as client:
        assert client.request(target="/named/x").status == 200
    assert stage.origin.next_request().target == ("/x" if takes == "/named" else "/named/x")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_also_for_names_with_certificates(
    stage: TlsStage, version: ssl.TLSVersion
) -> None:
    context = trusting(stage.authority.cert)
    context.minimum_version = context.maximum_version = version
    with TlsClient(stage.port, context, "exact.test") as first:
        first.request()
        session = first.tls.session
    with TlsClient(stage.port, context, "exact.test", session=session) as second:
        assert second.request().status == 200
        assert second.tls.session_reused


def test_old_versions_are_refused(stage: TlsStage) -> None:
    context = trusting(None)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(REFUSED):
        TlsClient(stage.port, context)


def test_garbage_instead_of_a_handshake_closes_that_connection_only(stage: TlsStage) -> None:
    with stage.client("exact.test") as good:
        good.request()
        with Client(stage.port) as bad:
            bad.send(b"\x16\x03\x01\x00\x05hello" * 10)
            with suppress(ConnectionResetError):
                bad.read_to_end()
        assert good.request().status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT"])
def test_http_without_tls_is_told_so(stage: TlsStage, method: str) -> None:
    with Client(stage.port) as plain:
        plain.send(f"{method} /x HTTP/1.1\r\nHost: exact.test\r\n\r\n".encode())
        answer = plain.read_response("GET")
        assert answer.status == 400
        assert answer.get("Content-Type") == "text/html; charset=utf-8"
        assert b"The plain HTTP request was sent to HTTPS port" in answer.body
        assert plain.is_closed_by_peer()


@pytest.mark.parametrize("said", [b"HELO gateway\r\n", b"\x00" * 20, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_what_is_neither_tls_nor_http_is_not_answered(stage: TlsStage, said: bytes) -> None:
    with Client(stage.port) as odd:
        odd.send(said)
        assert odd.is_closed_by_peer()


def test_a_reload_changes_certificates_and_drops_nobody(tmp_path: Path) -> None:
    with started(tmp_path) as stage, stage.client("exact.test") as before:
        assert (before.common_name(), before.request().status) == ("exact first", 200)
        known = stage.gateway.status()["configuration_hash"]
        write_atomically(stage.file, text(stage.authority, stage.origin.address, "second"))
        stage.gateway.wait_for_configuration(known)
        assert stage.shown("exact.test") == "exact second"
        assert before.request().status == 200, "the connection of the old certificate goes on"


def test_sigterm_does_not_wait_for_idle_clients_that_do_not_say_goodbye(tmp_path: Path) -> None:
    with started(tmp_path, KONG_DRAIN_TIMEOUT="60s") as stage, stage.client("exact.test") as silent:
        silent.request()
        # Waits half of the drain timeout at most.
        assert stage.gateway.stop() == 0


def test_certificates_of_the_settings_are_the_default(tmp_path: Path) -> None:
    authority = Authority()
    pem = authority.issue("default.test")
    (tmp_path / "cert.pem").write_text(pem.cert)
    (tmp_path / "key.pem").write_text(pem.key)
    names = {"KONG_SSL_CERT": str(tmp_path / "cert.pem"), "KONG_SSL_CERT_KEY": str(tmp_path / "key.pem")}
    with started(tmp_path, **names) as stage:
        assert stage.shown("unknown.test") == "default.test"
        assert stage.shown("exact.test") == "exact first"


@pytest.mark.parametrize("name", [None, "exact.test"])
def test_clients_can_be_asked_for_certificates(tmp_path: Path, name: str | None) -> None:
    people = Authority("People")
    (tmp_path / "people.pem").write_text(people.cert)
    asked = {
        "KONG_NGINX_PROXY_SSL_CLIENT_CERTIFICATE": str(tmp_path / "people.pem"),
        "KONG_NGINX_PROXY_SSL_VERIFY_CLIENT": "on",
    }
    with started(tmp_path, **asked) as stage:
        with TlsClient(stage.port, trusting(None, people.issue("ann.test")), name) as client:
            assert client.request().status == 200
        for stranger in (trusting(None), trusting(None, Authority("Strangers").issue("bob.test"))):
            # With TLS 1.3 a client learns of it when it reads.
            with pytest.raises(REFUSED), TlsClient(stage.port, stranger, name) as bob:
                bob.request()


def test_the_admin_api_speaks_tls(tmp_path: Path) -> None:
    plain, secure = free_ports(2)
    with started(tmp_path, KONG_ADMIN_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl"):
        with TlsClient(secure, trusting(None)) as client:
            assert client.common_name() == "localhost"
            assert "configuration_hash" in parse_json(client.request(target="/status").body)
        assert fetch(plain, "/status").status == 200


@pytest.mark.parametrize("is_tls", [False, True])
def test_the_proxy_protocol_tells_who_the_client_is(tmp_path: Path, is_tls: bool) -> None:
    trusted = {"KONG_TRUSTED_IPS": "127.0.0.1", "KONG_REAL_IP_HEADER": "proxy_protocol"}
    plain, secure = free_ports(2)
    listen = f"127.0.0.1:{plain} proxy_protocol, 127.0.0.1:{secure} ssl proxy_protocol"
    preface = b"PROXY TCP4 192.0.2.7 192.0.2.9 5000 443\r\n"
    with started(tmp_path, KONG_PROXY_LISTEN=listen, **trusted) as stage:
        if is_tls:
            client: Client = TlsClient(secure, trusting(None), "exact.test", preface=preface)
        else:
            client = Client(plain)
            client.send(preface)
        with client:
            assert client.request(headers=[("proxy_protocol", "198.51.100.1")]).status == 200
        seen = stage.origin.next_request()
        assert (seen.get("X-Real-IP"), seen.get("X-Forwarded-For")) == ("192.0.2.7", "192.0.2.7")
        with Client(plain) as liar:
            liar.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert liar.is_closed_by_peer()


def test_without_trust_the_balancer_is_the_client(tmp_path: Path) -> None:
    (plain,) = free_ports(1)
    with started(tmp_path, KONG_PROXY_LISTEN=f"127.0.0.1:{plain} proxy_protocol") as stage:
        with Client(plain) as client:
            client.send(b"PROXY TCP4 192.0.2.7 192.0.2.9 5000 443\r\n")
            assert client.request().status == 200
        assert stage.origin.next_request().get("X-Real-IP") == "127.0.0.1"


@pytest.mark.parametrize("flags", ["", " proxy_protocol"])
def test_unix_sockets(tmp_path: Path, flags: str) -> None:
    path = tmp_path / "gateway.sock"
    abandoned = socket.socket(socket.AF_UNIX)
    abandoned.bind(str(path))
    abandoned.close()
    with started(tmp_path, KONG_PROXY_LISTEN=f"unix:{path}{flags}"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        wire = Wire(sock)
        wire.send((b"PROXY UNKNOWN\r\n" if flags else b"") + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.read_response("GET").status == 200
        wire.close()
    assert not path.exists()
