"""Secrets that a file leaves to the gateway: keys of credentials, the key of the session plugin.

They are derived from a seed that whoever loads keeps for its lifetime, so that a reload neither ends every
session nor changes an API key; another start gives others, as in Kong. Who wants them to stay writes them
into the file.
"""

from __future__ import annotations

import hmac
import os
from base64 import b64encode

# Kong's own form: 32 letters and digits, about 190 bits.
_LENGTH = 32
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_SEED_BYTES = 32


class Generator:
    """Makes secrets for entities; the same seed and entity give the same secret."""

    def __init__(self, seed: bytes | None) -> None:
        self._seed = seed if seed is not None else os.urandom(_SEED_BYTES)

    def credential(self, entity: str, field: str) -> str:
        """Return 32 letters and digits for a field of a credential."""
        # 64 bytes for 32 characters: two for each keep the bias of the remainder below one in a thousand.
        digest = self._digest(entity, field, "sha512")
        pairs = (int.from_bytes(digest[at : at + 2]) for at in range(0, 2 * _LENGTH, 2))
        return "".join(_ALPHABET[pair % len(_ALPHABET)] for pair in pairs)

    def key(self, entity: str, field: str) -> str:
        """Return 32 bytes in base64 for a field of a plugin."""
        return b64encode(self._digest(entity, field, "sha256")).decode()

    def _digest(self, entity: str, field: str, algorithm: str) -> bytes:
        return hmac.digest(self._seed, f"{entity}:{field}".encode(), algorithm)
