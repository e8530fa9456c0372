"""What was found out about tokens, so that a signature is not verified for every request.

Tokens are kept as digests: memory holds nothing that could be used elsewhere. What can change with time (the
token ends, a key is withdrawn) is the caller's to check again. The cache belongs to one handler, so it ends
with the configuration that it is about.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any


class TokenCache:
    """Remembers so many tokens; the oldest is forgotten first."""

    __slots__ = ("_capacity", "_found")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._found: dict[bytes, Any] = {}

    def get(self, token: str) -> Any:
        """Return what is known about a token, or None."""
        return self._found.get(_digest(token)) if self._found else None

    def put(self, token: str, found: Any) -> None:
        """Remember what was found out."""
        if not self._capacity:
            return
        digest = _digest(token)
        if digest not in self._found and len(self._found) >= self._capacity:
            del self._found[next(iter(self._found))]
        self._found[digest] = found


def _digest(token: str) -> bytes:
    return blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).digest()
