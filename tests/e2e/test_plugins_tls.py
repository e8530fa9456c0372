"""An issuer of tokens behind TLS, as a real gateway sees it: whom `lua_ssl_trusted_certificate` makes it believe."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt as jose
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dbless_gateway.snapshot.key_pairs import KeyPair, load_key_pair
from tests.support.authority import Authority
from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin
from tests.support.tls_server import Telling, serve_tls

pytestmark = pytest.mark.slow

KEY = ec.generate_private_key(ec.SECP256R1())


class _Publishing(Telling):
    def told(self) -> object:
        base = f"https://localhost:{self.server.server_address[1]}"
        jwk: Any = jose.get_algorithm_by_name("ES256").to_jwk(KEY.public_key(), as_dict=True)
        is_key = self.path == "/keys"
        return {"keys": [jwk | {"kid": "e1"}]} if is_key else {"issuer": base, "jwks_uri": f"{base}/keys"}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def issuer(authority: Authority) -> Iterator[str]:
    """Run an issuer with a certificate of the authority; yield its name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_key_pair(context, KeyPair(*authority.issue("localhost")))
    with serve_tls(context, _Publishing) as port:
        yield f"https://localhost:{port}"


@pytest.mark.parametrize(("is_trusted", "status"), [(True, 200), (False, 503)])
def test_issuer(tmp_path: Path, authority: Authority, issuer: str, is_trusted: bool, status: int) -> None:
    trusted = tmp_path / "authorities.pem"
    trusted.write_text((authority if is_trusted else Authority("Another")).cert)
    claims = {"iss": issuer, "sub": "user-1", "exp": time.time() + 600}
    token = jose.encode(claims, KEY, "ES256", headers={"kid": "e1"})
    plugin = {"name": "jwt", "config": {"issuer": issuer}}
    with Origin() as origin:
        file = write(tmp_path, service(origin.address, "/", plugins=[plugin]))
        with Gateway(file, environment={"KONG_LUA_SSL_TRUSTED_CERTIFICATE": str(trusted)}) as gateway:
            answer = gateway.fetch("/", headers=[("Authorization", f"Bearer {token}")])
            assert answer.status == status, answer.body
            if not is_trusted:
                assert issuer in gateway.log.wait_for("certificate verify failed")
