"""The Admin API with TLS, certificates of clients and a token; the commands that speak with it."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.authority import Authority, Pem
from tests.support.config import service, write
from tests.support.gateway import REPOSITORY, Gateway
from tests.support.ports import free_ports
from tests.support.tls_client import TlsClient, trusting
from tests.support.wire import ConnectionClosed

pytestmark = pytest.mark.slow

TOKEN = "a tökén"


class Site:
    """A gateway whose Admin API asks for everything, and the files of a client."""

    def __init__(self, folder: Path, gateway: Gateway, port: int) -> None:
        self.folder, self.gateway, self.port = folder, gateway, port
        self.show = (
            "--admin-cert",
            str(folder / "client.pem"),
            "--admin-cert-key",
            str(folder / "client.key"),
        )

    def run(self, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
        """Run a command of ours with the gateway's environment."""
        environment = {"KONG_ADMIN_LISTEN": f"127.0.0.1:{self.port} ssl", "KONG_ADMIN_TOKEN": token}
        return subprocess.run(
            [sys.executable, "-m", "dbless_gateway", *arguments],
            cwd=REPOSITORY,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    authority = Authority()
    pairs = {"server": authority.issue("localhost"), "client": authority.issue("operator")}
    for name, pair in pairs.items():
        (folder / f"{name}.pem").write_text(pair.cert)
        (folder / f"{name}.key").write_text(pair.key)
    (folder / "ca.pem").write_text(authority.cert)
    (port,) = free_ports(1)
    environment = {
        "KONG_ADMIN_LISTEN": f"127.0.0.1:{port} ssl",
        "KONG_ADMIN_SSL_CERT": str(folder / "server.pem"),
        "KONG_ADMIN_SSL_CERT_KEY": str(folder / "server.key"),
        "KONG_NGINX_ADMIN_SSL_CLIENT_CERTIFICATE": str(folder / "ca.pem"),
        "KONG_NGINX_ADMIN_SSL_VERIFY_CLIENT": "on",
        "KONG_ADMIN_TOKEN": TOKEN,
    }
    with Gateway(write(folder, service("127.0.0.1:1")), environment=environment) as gateway:
        yield Site(folder, gateway, port)


def flags(site: Site) -> tuple[str, ...]:
    """Return what a well-equipped client says: its certificate is for localhost, not for an address."""
    return (
        "--admin",
        f"https://localhost:{site.port}",
        "--admin-ca",
        str(site.folder / "ca.pem"),
        *site.show,
    )


@pytest.mark.parametrize(
    "command", [("status",), ("reload", "--wait"), ("explain", "GET", "http://a.test/", "--live")]
)
def test_commands_show_token_and_certificate(site: Site, command: tuple[str, ...]) -> None:
    done = site.run(*command, *flags(site))
    assert done.returncode == 0, done.stderr


def test_without_verification_the_settings_are_enough(site: Site) -> None:
    done = site.run("status", "--admin-insecure", *site.show)
    assert done.returncode == 0, done.stderr


def test_a_client_without_a_certificate_is_turned_away(site: Site) -> None:
    done = site.run("status", *flags(site)[:4])
    assert done.returncode == 4
    assert "no gateway answers at" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_gateway_of_an_unknown_authority_is_not_spoken_to(site: Site) -> None:
    done = site.run("status", *site.show)
    assert done.returncode == 4
    assert "certificate verify failed" in done.stderr


def test_the_token_is_asked_for_as_well(site: Site) -> None:
    done = site.run("status", *flags(site), token="another")
    assert done.returncode == 4
    assert "wants its token" in done.stderr


def test_a_certificate_of_another_authority_is_turned_away(site: Site) -> None:
    stranger: Pem = Authority("Another").issue("operator")
    with (
        pytest.raises((ssl.SSLError, OSError, ConnectionClosed)),
        TlsClient(site.port, trusting(None, stranger), "localhost") as client,
    ):
        # With TLS 1.3 a client learns of it when it reads.
        client.request(target="/status")
