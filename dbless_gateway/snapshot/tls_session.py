"""The TLS session of every connection that carries requests: Python's own, read in pieces that fit.

uvloop reads a session in pieces of 256 KiB, and for each of them CPython allocates that much, takes what is
there, a TLS record of at most 16 KiB, and gives back the rest. Where the allocator has to ask the system for it
that takes 35 us against 5; of a connection that is made for one request it was an eighth of its cost.
"""

from __future__ import annotations

import ssl
from typing import Any

# A call never returns more than one record (RFC 8446 section 5.1), so no call of the loop's becomes two.
_RECORD_BYTES_MAX = 16384


class TlsSession(ssl.SSLObject):
    """Set it as ``sslobject_class`` of a context."""

    def read(self, len: int = _RECORD_BYTES_MAX, buffer: Any = None) -> Any:
        """Return what is there, of at most one record."""
        return super().read(min(len, _RECORD_BYTES_MAX), buffer)
