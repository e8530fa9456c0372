"""The fields that Kong does not have, through a real gateway: who waits for an answer of somebody else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jwt as jose
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection
from tests.support.ports import free_ports

KEY = ec.generate_private_key(ec.SECP256R1())


class Issuer(Origin):
    """Publishes its key where discovery finds it."""

    def __init__(self) -> None:
        super().__init__(self.publish, name="issuer")

    @property
    def url(self) -> str:
        return f"http://{self.address}/realm"

    def publish(self, connection: OriginConnection) -> None:
        request = connection.receive()
        jwk: Any = jose.get_algorithm_by_name("ES256").to_jwk(KEY.public_key(), as_dict=True)
        documents = {
            "/realm/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/realm/keys": {"keys": [jwk | {"kid": "e1"}]},
        }
        connection.answer(json.dumps(documents[request.target]).encode())

    def token(self, **claims: Any) -> str:
        body = {"iss": self.url, "sub": "user-1", "exp": time.time() + 600} | claims
        return jose.encode(body, KEY, "ES256", headers={"kid": "e1"})


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(origin: Origin, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    (closed_port,) = free_ports(1)
    limit = {
        "year": 2,
        "limit_by": "service",
        "policy": "redis",
        "redis": {"host": "127.0.0.1", "port": closed_port},
    }
    verify = {"issuer": issuer.url, "consumer_claim": "sub", "token_cache": 100}
    file = write(
        tmp_path_factory.mktemp("extensions"),
        service(origin.address, "/issued", plugins=[{"name": "jwt", "config": verify}]),
        service(origin.address, "/fallback", plugins=[
            {"name": "rate-limiting", "config": limit | {"fallback": "local", "fault_tolerant": False}}]),
        service(origin.address, "/sliding", plugins=[
            {"name": "rate-limiting", "config": {"year": 2, "limit_by": "service", "window": "sliding"}}]),
        consumers=[
            {"username": "alice", "custom_id": "user-1", "plugins": [
                {"name": "request-transformer", "config": {"add": {"headers": ["X-Alices:1"]}}}]},
        ],
    )  # fmt: skip
    with Gateway(file) as running:
        yield running
    assert "Traceback" not in str(running.log)


def test_a_token_of_an_issuer(gateway: Gateway, issuer: Issuer, origin: Origin) -> None:
    headers = [("Authorization", f"Bearer {issuer.token()}")]
    statuses = [gateway.fetch("/issued", headers=headers).status for _ in range(3)]
    request = origin.requests[-1]

    assert statuses == [200] * 3
    assert len(issuer.requests) == 2, "discovery and keys, once"
    assert request.get("X-Consumer-Username") == "alice"
    assert request.get("X-Credential-Identifier") == "user-1"
    # Found out while waiting, the consumer's own plugins run, too.
    assert request.get("X-Alices") == "1"


@pytest.mark.parametrize(
    ("claims", "body"),
    [
        ({"sub": "user-2"}, b"""{"message":"Could not find consumer for 'sub=user-2'"}"""),
        ({"iss": "https://evil.test"}, b'{"message":"Invalid issuer"}'),
        ({"exp": 1}, b'{"exp":"token expired"}'),
        ({"sub": "a\r\nX-Consumer-ID: 1"}, b"""{"message":"Invalid 'sub' in claims"}"""),
    ],
)
def test_a_token_that_is_not_good(
    gateway: Gateway, issuer: Issuer, claims: dict[str, Any], body: bytes
) -> None:
    headers = [("Authorization", f"Bearer {issuer.token(**claims)}")]
    response = gateway.fetch("/issued", headers=headers)

    assert (response.status, response.body) == (401, body)


@pytest.mark.parametrize("path", ["/fallback", "/sliding"])
def test_limits(gateway: Gateway, path: str) -> None:
    assert [gateway.fetch(path).status for _ in range(3)] == [200, 200, 429]
