"""basic-auth: identify the consumer by a user name and a password.

Kong's behaviour this follows: https://developer.konghq.com/plugins/basic-auth/ (3.6 and later).
Differences: digests are compared in constant time, and an unknown name costs as much as a wrong password; a
configured password may be a hash of the real one by argon2id, scrypt or bcrypt.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from hashlib import sha1
from hmac import compare_digest

from dbless_gateway.pdk.auth import Gate, Outcome, challenge
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.credential_index import CredentialIndex
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.identity import Consumer, Credential
from dbless_gateway.pdk.passwords import Overloaded, PasswordChecker, fault_of, is_password_hash
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply

NAME = "basic-auth"
PRIORITY = 1100

_HEADERS = ("proxy-authorization", "authorization")

# As in Kong not anchored: whatever stands before the scheme is ignored.
_SCHEME = re.compile(r"[Bb]asic\s*(.+)")

# The digest or hash of the password, and whom it identifies.
User = tuple[str, Consumer | None, Credential | None]

# Stands in where there is no password: nobody knows one with this digest.
_NO_DIGEST = "0" * 40


@dataclass(frozen=True, slots=True)
class Config:
    anonymous: str | None
    anonymous_on: str | None
    hide_credentials: bool
    realm: str


class Handler:
    """Examines ``Proxy-Authorization`` first, then ``Authorization``."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._hides = config.hide_credentials
        self._challenge = challenge("Basic", config.realm)
        self._gate = Gate(config.anonymous, env, config.anonymous_on, self._has_credentials)
        self._users = INDEX.of(env.identities)
        self._host = env.host

    def access(self, ctx: Context) -> Outcome:
        """Identify the consumer or refuse."""
        return self._gate.run(ctx, self._authenticate)

    def _authenticate(self, ctx: Context) -> Outcome:
        users = self._users
        for name in _HEADERS:
            found = self._read(ctx, name)
            if found is None or (name == "proxy-authorization" and found[0] not in users.by_name):
                continue
            user = users.by_name.get(found[0], users.nobody)
            if not is_password_hash(user[0]):
                return self._conclude(ctx, user, is_right=_is_right(found[1], user[0], user[1]))
            checker = self._checker()
            if checker.knows(found[1], user[0]):
                return self._conclude(ctx, user, is_right=True)
            return self._check(ctx, user, found[1], checker)
        return refuse(ctx, 401, None, self._challenge)

    async def _check(
        self, ctx: Context, user: User, password: bytes, checker: PasswordChecker
    ) -> Reply | None:
        try:
            return self._conclude(ctx, user, is_right=await checker.check(password, user[0]))
        except Overloaded:
            return refuse(ctx, 503)

    def _conclude(self, ctx: Context, user: User, *, is_right: bool) -> Reply | None:
        if not is_right or user[1] is None:
            return refuse(ctx, 401, None, self._challenge)
        ctx.authenticate(user[1], user[2])
        return None

    def _has_credentials(self, ctx: Context) -> bool:
        values = map(ctx.headers.get, _HEADERS)
        return any(value is not None and _SCHEME.search(value) is not None for value in values)

    def _checker(self) -> PasswordChecker:
        host = self._host
        return host.resource("passwords", lambda: PasswordChecker(host.secret("passwords"), host.now))

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
    return compare_digest(sha1(password + salt).hexdigest(), digest)


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


class _Users:
    """All users of a configuration by name, and who stands in for an unknown one."""

    def __init__(self) -> None:
        self.by_name: dict[bytes, User] = {}
        self.tables = (self.by_name,)
        # Where there are hashes an unknown name must take as long as a known one.
        self.nobody: User = (_NO_DIGEST, None, None)

    def add(self, credential: Credential, consumer: Consumer | None) -> None:
        username: str = credential.fields["username"]
        password: str = credential.fields.get("password") or _NO_DIGEST
        if is_password_hash(password):
            fault = fault_of(password)
            if fault is not None:
                raise ConfigError("", f"the password hash of user '{username}' {fault}")
            self.nobody = (password, None, None)
        self.by_name[username.encode()] = (password, consumer, credential)


INDEX = CredentialIndex(NAME, "basicauth_credentials", _Users, _Users.add)
