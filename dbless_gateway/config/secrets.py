"""Secrets that a file leaves to the gateway: keys of credentials, the key of the session plugin.

They differ with every load, as in Kong; who wants them to stay writes them into the file.
"""

from __future__ import annotations

import secrets
import string
from base64 import b64encode
from functools import lru_cache

# Kong's own form: 32 letters and digits, about 190 bits.
_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits


def generate_secret() -> str:
    """Return a fresh secret for a credential."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


@lru_cache(maxsize=1)
def process_key() -> str:
    """Return 32 random bytes in base64.

    They stay the same for the life of the process: a reload must not end every session.
    """
    return b64encode(secrets.token_bytes(32)).decode()
