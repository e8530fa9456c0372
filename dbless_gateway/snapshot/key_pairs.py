"""A certificate with its private key, as text, into an ``ssl.SSLContext``.

The ssl module reads keys from files only. The file lives in memory and has no name that another process could
open, so a key from the configuration never reaches a disk.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl


class KeyPair(NamedTuple):
    """PEM texts; ``cert`` may be a chain, the server's own certificate first."""

    cert: str
    key: str


def load_key_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Load it; raises ``ssl.SSLError`` for what OpenSSL does not accept."""
    fd = os.memfd_create("key-pair")
    try:
        with os.fdopen(fd, "w", encoding="ascii", errors="replace", closefd=False) as file:
            file.write(f"{pair.cert.strip()}\n{pair.key.strip()}\n")
        # Opened by this path the file is read from its beginning.
        context.load_cert_chain(f"/proc/self/fd/{fd}", password=_no_password)
    finally:
        os.close(fd)


def _no_password() -> bytes:
    # Without a callback OpenSSL would ask on the terminal.
    return b""
