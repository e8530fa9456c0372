"""How commands reach the running gateway: its Admin API, as flags or the gateway's own settings say.

A command that runs with the gateway's environment needs no flag: it finds the address and the token there.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

from dbless_gateway.server.listen import Listen
from dbless_gateway.server.setting_values import Values, read_settings

EXIT_NO_GATEWAY = 4

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}

# A reload of a very large file takes about a minute; what takes longer hangs.
_TIMEOUT_S = 180.0


class NoGateway(Exception):
    """Nothing answers there; the message is for the user."""


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where the Admin API is, and what a client must show there."""

    url: str
    token: str = ""
    ca_file: str | None = (
        None  # who may have issued the gateway's certificate; None: the system's authorities
    )
    cert_file: str | None = None  # what this client shows
    key_file: str | None = None  # its key; None: it is in the same file
    verifies: bool = True


def add_address_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name the Admin API."""
    group = parser.add_argument_group("the running gateway")
    group.add_argument(
        "--admin",
        metavar="URL",
        help="its Admin API (default: the first address of KONG_ADMIN_LISTEN, http://127.0.0.1:8001)",
    )
    group.add_argument(
        "--admin-token", metavar="TOKEN", help="what it wants to be shown (default: KONG_ADMIN_TOKEN)"
    )
    group.add_argument("--admin-ca", metavar="FILE", help="authorities that its certificate is verified with")
    group.add_argument("--admin-cert", metavar="FILE", help="the certificate to show to it, as PEM")
    group.add_argument("--admin-cert-key", metavar="FILE", help="its key, when it is in a file of its own")
    group.add_argument(
        "--admin-insecure", action="store_true", help="do not verify the gateway's certificate"
    )


def address_of(arguments: argparse.Namespace) -> NodeAddress:
    """Return what the flags say, and for the rest the settings; raises ``NoGateway``."""
    values = read_settings({}, os.environ)
    token = arguments.admin_token
    return NodeAddress(
        url=arguments.admin or _default_url(values),
        token=token if token is not None else values.values.get("admin_token", ""),
        ca_file=arguments.admin_ca,
        cert_file=arguments.admin_cert,
        key_file=arguments.admin_cert_key,
        verifies=not arguments.admin_insecure,
    )


def ask(arguments: argparse.Namespace, method: str, path: str) -> tuple[int, Any]:
    """Send a request to the Admin API; return status and decoded body, or raise ``NoGateway``."""
    address = address_of(arguments)
    parts = urlsplit(address.url)
    connection = _connection(parts, address)
    headers = {"Kong-Admin-Token": address.token.encode()} if address.token else {}
    try:
        connection.request(method, parts.path.rstrip("/") + path, headers=headers)
        response = connection.getresponse()
        status, body = response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoGateway(f"no gateway answers at {parts.geturl()}: {error}") from None
    finally:
        connection.close()
    if status == HTTPStatus.UNAUTHORIZED:
        raise NoGateway(f"the gateway at {parts.geturl()} wants its token: set KONG_ADMIN_TOKEN")
    return status, body


def _connection(parts: SplitResult, address: NodeAddress) -> http.client.HTTPConnection:
    try:
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=_tls(address))
        return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    except (ValueError, http.client.HTTPException) as error:
        raise NoGateway(f"{parts.geturl()} is no address: {error}") from None


def _tls(address: NodeAddress) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=address.ca_file)
        if address.cert_file is not None:
            context.load_cert_chain(address.cert_file, address.key_file)
    except OSError as error:
        files = ", ".join(filter(None, (address.ca_file, address.cert_file, address.key_file)))
        raise NoGateway(f"cannot use {files}: {error}") from None
    if not address.verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _default_url(values: Values) -> str:
    """Return the first address of the Admin API that the settings name, one without TLS if there is."""
    listens: tuple[Listen, ...] = values.values.get("admin_listen", ())
    for listen in sorted(listens, key=lambda listen: listen.ssl):
        if listen.path is None:
            host = _WILDCARDS.get(listen.host, listen.host)
            scheme = "https" if listen.ssl else "http"
            return f"{scheme}://[{host}]:{listen.port}" if ":" in host else f"{scheme}://{host}:{listen.port}"
    raise NoGateway("the Admin API is off: name it with --admin")
