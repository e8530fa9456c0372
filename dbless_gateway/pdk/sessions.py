"""Sessions in cookies: who somebody is and since when, encrypted and authenticated with AES-256-GCM.

Nothing is stored here: the cookie is the session. Its four times are those of Kong: *absolute* since the
login,
*rolling* since the session was last renewed, *idling* since it was last seen; 0 switches a limit off.
cryptography is imported when such a plugin is configured.
"""

from __future__ import annotations

import binascii
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from dbless_gateway.config.records import dataclass, replace

_NONCE_BYTES = 12

# A cookie that is longer is none of ours.
_MAX_COOKIE_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie says; times are seconds since the epoch."""

    id: str
    audience: str
    subject: str
    consumer: str
    credential: str
    groups: tuple[str, ...]
    created_at: float
    renewed_at: float
    seen_at: float

    def renewed(self, now: float) -> Session:
        """Return the session with a new rolling time."""
        return replace(self, renewed_at=now, seen_at=now)

    def seen(self, now: float) -> Session:
        """Return the session with a new idling time."""
        return replace(self, seen_at=now)


def new_session_id() -> str:
    """Return a random id."""
    return urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def preload() -> None:
    """Import cryptography now, at a reload, and not while the first request waits for it."""
    import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401


class Sealer:
    """Turns sessions into the text of cookies and back."""

    def __init__(self, secret: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(sha256(secret).digest())

    def seal(self, session: Session, cookie_name: str) -> str:
        """Return the cookie's text; it opens only under the same name."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(asdict(session)).encode(), cookie_name.encode())
        return urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, text: str, cookie_name: str) -> Session | None:
        """Return the session of a cookie, None when it is not one of ours."""
        from cryptography.exceptions import InvalidTag

        if len(text) > _MAX_COOKIE_CHARACTERS:
            return None
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            plain = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], cookie_name.encode())
        except (InvalidTag, ValueError, binascii.Error):
            return None
        values: dict[str, Any] = json.loads(plain)
        return Session(**(values | {"groups": tuple(values["groups"])}))
