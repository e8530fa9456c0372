"""TLS with targets: what is verified, what is shown, and what a failure says."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from dbless_gateway.snapshot.key_pairs import KeyPair, load_key_pair
from tests.support.authority import Authority, Pem
from tests.support.client import Client
from tests.support.config import document, parse_json, service
from tests.support.gateway import Gateway
from tests.support.origin import Origin
from tests.support.tls_server import Telling, serve_tls
from tests.support.wire import Response

pytestmark = pytest.mark.slow


class _Telling(Telling):
    """Answers with what TLS told about the peer."""

    def told(self) -> object:
        shown = self.connection.getpeercert() or {}
        subject = {name: value for part in shown.get("subject", ()) for name, value in part}
        return {
            "sni": getattr(self.connection, "asked_for", None),
            "client": subject.get("commonName"),
            "port": self.client_address[1],
        }


@contextmanager
def tls_target(pem: Pem, clients: Authority) -> Iterator[int]:
    """Serve TLS with this certificate; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_key_pair(context, KeyPair(*pem))
    context.load_verify_locations(cadata=clients.cert)
    context.verify_mode = ssl.CERT_OPTIONAL

    def note(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        connection.asked_for = name

    context.sni_callback = note
    with serve_tls(context, _Telling) as port:
        yield port


@dataclass
class TargetStage:
    gateway: Gateway

    def ask(self, path: str, host: str = "good.test") -> Response:
        with Client(self.gateway.port) as client:
            return client.request(target=path, host=host)


ROOT_ID, STRANGER_ID, CLIENT_ID = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetStage]:
    root, people = Authority("Root"), Authority("People")
    between = Authority("Second", Authority("First", root))
    me = people.issue("gateway.test")
    file = tmp_path_factory.mktemp("targets") / "kong.yaml"
    with (
        tls_target(between.issue("good.test"), people) as port,
        Origin(lambda connection: connection.answer()) as plain,
    ):

        def tls_service(at: str, **fields: Any) -> dict[str, Any]:
            return service(
                f"127.0.0.1:{port}", at, protocol="https", retries=0, route={"preserve_host": True}, **fields
            )

        mine = {"tls_verify": True, "ca_certificates": [ROOT_ID]}
        file.write_text(
            document(
                tls_service("/unverified"),
                tls_service("/verified", tls_verify_depth=2, **mine),
                tls_service("/shallow", **mine),
                tls_service("/stranger", tls_verify=True, ca_certificates=[STRANGER_ID], tls_verify_depth=2),
                tls_service("/system", tls_verify=True, tls_verify_depth=2),
                tls_service("/shown", client_certificate={"id": CLIENT_ID}),
                service(plain.address, "/plain", protocol="https", retries=0),
                ca_certificates=[
                    {"id": ROOT_ID, "cert": root.cert},
                    {"id": STRANGER_ID, "cert": Authority("Stranger").cert},
                ],
                certificates=[{"id": CLIENT_ID, "cert": me.cert, "key": me.key}],
            )
        )
        with Gateway(file) as gateway:
            yield TargetStage(gateway)


@pytest.mark.parametrize(
    ("path", "host", "expected"),
    [
        ("/unverified", "good.test", {"sni": "good.test", "client": None}),
        ("/unverified", "other.test:8000", {"sni": "other.test", "client": None}),
        ("/unverified", "127.0.0.1", {"sni": None, "client": None}),
        ("/verified", "good.test", {"sni": "good.test", "client": None}),
        ("/shown", "good.test", {"sni": "good.test", "client": "gateway.test"}),
    ],
)
def test_what_the_target_sees(stage: TargetStage, path: str, host: str, expected: dict[str, Any]) -> None:
    answer = stage.ask(path, host)
    assert answer.status == 200
    told = parse_json(answer.body)
    assert {name: told[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("path", "host", "reason"),
    [
        ("/verified", "other.test", "certificate verification failed: Hostname mismatch"),
        ("/stranger", "good.test", "certificate verification failed: (self-signed|unable to get)"),
        ("/system", "good.test", "certificate verification failed: (self-signed|unable to get)"),
        ("/shallow", "good.test", "certificate verification failed: chain longer than tls_verify_depth 1"),
        ("/plain", "good.test", "(?i)ssl|wrong version|closed|reset"),
    ],
)  # fmt: skip
def test_a_failure_is_502_and_the_log_says_why(stage: TargetStage, path: str, host: str, reason: str) -> None:
    logged = len(stage.gateway.log.lines)
    assert stage.ask(path, host).status == 502
    assert stage.gateway.log.wait_for(reason, after=logged)


def test_connections_with_different_trust_never_mix(stage: TargetStage) -> None:
    """Connections that nobody verified lie idle, and still are nothing for a service that verifies."""
    assert stage.ask("/unverified").status == 200
    assert stage.ask("/stranger").status == 502
    shown = parse_json(stage.ask("/shown").body)
    anonymous = parse_json(stage.ask("/unverified").body)
    verified = parse_json(stage.ask("/verified").body)
    assert len({told["port"] for told in (shown, anonymous, verified)}) == 3
    assert parse_json(stage.ask("/verified").body)["port"] == verified["port"], "kept for its own kind"
