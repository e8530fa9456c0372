"""basic-auth: identify the consumer by a user name and a password.

Kong's behaviour this follows: https://developer.konghq.com/plugins/basic-auth/ (3.6 and later).
Differences: digests are compared in constant time, and an unknown name costs as much as a wrong password.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha1
from hmac import compare_digest

from dbless_gateway.pdk.auth import Gate, challenge
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.identity import Consumer, Credential, Identities
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.reply import Reply

NAME = "basic-auth"
PRIORITY = 1100

# As in Kong not anchored: whatever stands before the scheme is ignored.
_SCHEME = re.compile(r"[Bb]asic\s*(.+)")

# The digest of the password, and whom it identifies.
User = tuple[str, Consumer | None, Credential | None]
UserIndex = dict[bytes, User]

# Stands in for an unknown user; nobody knows a password that hashes to it, and there is no consumer.
_NO_DIGEST = "0" * 40
_NOBODY: User = (_NO_DIGEST, None, None)


@dataclass(frozen=True, slots=True)
class Config:
    anonymous: str | None
    hide_credentials: bool
    realm: str


class Handler:
    """Examines ``Proxy-Authorization`` first, then ``Authorization``."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._hides = config.hide_credentials
        self._challenge = challenge("Basic", config.realm)
        self._gate = Gate(config.anonymous, env)
        self._users = env.identities.index("basic-auth", _index_users)

    def access(self, ctx: Context) -> Reply | None:
        """Identify the consumer or refuse."""
        return self._gate.run(ctx, self._authenticate)

    def _authenticate(self, ctx: Context) -> Reply | None:
        for name in ("proxy-authorization", "authorization"):
            found = self._read(ctx, name)
            if found is None or (name == "proxy-authorization" and found[0] not in self._users):
                continue
            digest, consumer, credential = self._users.get(found[0], _NOBODY)
            if _is_right(found[1], digest, consumer):
                ctx.authenticate(consumer, credential)
                return None
            break
        return refuse(ctx, 401, None, self._challenge)

    def _read(self, ctx: Context, name: str) -> tuple[bytes, bytes] | None:
        """Return user name and password of a header."""
        value = ctx.headers.get(name)
        if value is None:
            return None
        text = _decode(value)
        pair = _split(text) if text is not None else None
        if self._hides and (pair is not None or text is None):
            ctx.upstream.headers.remove(name)
        return pair


def _is_right(password: bytes, digest: str, consumer: Consumer | None) -> bool:
    salt = consumer.id.encode() if consumer is not None else b""
    return compare_digest(sha1(password + salt).hexdigest(), digest) and consumer is not None


def _decode(value: str) -> bytes | None:
    found = _SCHEME.search(value)
    if found is None:
        return None
    token = found[1].rstrip("= ")
    try:
        return b64decode(token + "=" * (-len(token) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _split(text: bytes) -> tuple[bytes, bytes] | None:
    """Return user name and password; as in Kong ":a:b" is user "a", and a password ends with its line."""
    user, colon, rest = text.lstrip(b":").partition(b":")
    return (user, rest.partition(b"\n")[0]) if colon else None


def _index_users(identities: Identities) -> UserIndex:
    return {
        credential.fields["username"].encode(): (
            credential.fields.get("password") or _NO_DIGEST,
            identities.consumer(credential.consumer),
            credential,
        )
        for credential in identities.credentials("basicauth_credentials")
    }
