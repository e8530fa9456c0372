"""Where commands find the running gateway: its Admin API, as flags or the gateway's own settings say."""

from __future__ import annotations

import argparse
import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

from dbless_gateway.server.listen import Listen
from dbless_gateway.server.settings import read_settings

EXIT_NO_GATEWAY = 4

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}

# A reload of a very large file takes about a minute; what takes longer hangs.
_TIMEOUT_S = 180.0


class NoGateway(Exception):
    """Nothing answers there; the message is for the user."""


def add_address_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names the Admin API."""
    parser.add_argument(
        "--admin",
        metavar="URL",
        default=None,
        help="the gateway's Admin API (default: the first address of KONG_ADMIN_LISTEN, http://127.0.0.1:8001)",
    )


def ask(url: str | None, method: str, path: str) -> tuple[int, Any]:
    """Send a request to the Admin API; return status and decoded body."""
    parts = urlsplit(url or default_url())
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_TIMEOUT_S)
    try:
        connection.request(method, parts.path.rstrip("/") + path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoGateway(f"no gateway answers at {parts.geturl()}: {error}") from None
    finally:
        connection.close()


def default_url() -> str:
    """Return the first address of the Admin API that the settings name."""
    values = read_settings({}, os.environ)
    listens: tuple[Listen, ...] = values.values.get("admin_listen", ())
    for listen in listens:
        if not listen.ssl and listen.path is None:
            host = _WILDCARDS.get(listen.host, listen.host)
            return f"http://[{host}]:{listen.port}" if ":" in host else f"http://{host}:{listen.port}"
    raise NoGateway("the Admin API is off: name it with --admin")
