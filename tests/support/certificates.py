"""A self-signed certificate for tests that speak TLS on loopback."""

from __future__ import annotations

import ssl
import tempfile
from functools import cache
from pathlib import Path

from tests.support.authority import Authority


@cache
def self_signed_pem() -> bytes:
    """Return a key and a certificate of it that nobody trusts."""
    cert, key = Authority("localhost").own
    return (key + cert).encode()


@cache
def self_signed() -> ssl.SSLContext:
    """Return a server's context with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "both.pem"
        pem.write_bytes(self_signed_pem())
        context.load_cert_chain(pem)
    return context
