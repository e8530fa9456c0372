"""hmac-auth: identify the consumer by a signature over parts of the request.

Kong's behaviour this follows: https://developer.konghq.com/plugins/hmac-auth/ (3.8 and later).
Differences: none known.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from calendar import timegm
from email.utils import parsedate_tz
from hashlib import sha256
from typing import NamedTuple

from dbless_gateway.pdk.auth import Gate, Outcome, challenge
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.credential_index import CredentialIndex
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.identity import Consumer, Credential
from dbless_gateway.pdk.patterns import compile_pattern
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.reply import Reply

NAME = "hmac-auth"
PRIORITY = 1030

_NO_DATE = (
    "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"
)
_NOT_VERIFIED = "HMAC signature cannot be verified"
_NO_MATCH = "HMAC signature does not match"

_DIGESTS = {
    "hmac-sha1": "sha1",
    "hmac-sha256": "sha256",
    "hmac-sha384": "sha384",
    "hmac-sha512": "sha512",
}

# As in Kong not anchored, in this order, and greedy.
_PARAMETERS = r'[Hh]mac\s+username="(.+)",\s*algorithm="(.+)",\s*headers="(.+)",\s*signature="(.+)"'

UserIndex = dict[str, tuple[bytes, Consumer | None, Credential]]


@dataclass(frozen=True, slots=True)
class Config:
    hide_credentials: bool
    clock_skew: float | None
    anonymous: str | None
    anonymous_on: str | None
    validate_request_body: bool
    enforce_headers: tuple[str, ...] | None
    algorithms: tuple[str, ...] | None
    realm: str | None


class _Parameters(NamedTuple):
    username: str
    algorithm: str
    headers: list[str]
    signature: str


class Handler:
    """Rebuilds what the client has signed and compares."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self.needs_request_body = config.validate_request_body
        self._config = config
        self._clock_skew_s = config.clock_skew if config.clock_skew is not None else 300
        self._algorithms = frozenset(_DIGESTS if config.algorithms is None else config.algorithms)
        self._enforced = frozenset(config.enforce_headers or ())
        self._pattern = compile_pattern(_PARAMETERS)
        self._challenge = challenge("hmac", config.realm)
        self._gate = Gate(config.anonymous, env, config.anonymous_on, self._has_credentials)
        self._users = INDEX.of(env.identities)
        self._now = env.host.now

    def access(self, ctx: Context) -> Outcome:
        """Identify the consumer or refuse."""
        return self._gate.run(ctx, self._authenticate)

    def _authenticate(self, ctx: Context) -> Reply | None:
        headers = ctx.headers
        if headers.get("authorization") is None and headers.get("proxy-authorization") is None:
            return self._refuse(ctx, None)
        if not (self._is_current(headers.get("x-date")) or self._is_current(headers.get("date"))):
            return self._refuse(ctx, _NO_DATE)
        parameters = self._read(ctx)
        known = self._users.get(parameters.username) if parameters is not None else None
        if parameters is None or known is None or not self._is_acceptable(parameters):
            return self._refuse(ctx, _NOT_VERIFIED)
        if not _is_signed_by(known[0], parameters, ctx) or not self._is_body_right(ctx):
            return self._refuse(ctx, _NO_MATCH)
        if known[1] is None:
            return refuse(ctx, 500)
        ctx.authenticate(known[1], known[2])
        return None

    def _has_credentials(self, ctx: Context) -> bool:
        values = (ctx.headers.get("proxy-authorization"), ctx.headers.get("authorization"))
        return any(value is not None and value.lstrip().lower().startswith("hmac") for value in values)

    def _refuse(self, ctx: Context, message: str | None) -> Reply:
        return refuse(ctx, 401, message, self._challenge)

    def _is_current(self, date: str | None) -> bool:
        try:
            parsed = parsedate_tz(date) if date else None
            # A date of HTTP is always in GMT.
            if parsed is None or parsed[9]:
                return False
            return abs(self._now() - timegm(parsed[:9])) <= self._clock_skew_s
        except (ValueError, OverflowError):
            return False

    def _read(self, ctx: Context) -> _Parameters | None:
        """Return the parameters of ``Proxy-Authorization``, else of ``Authorization``."""
        parameters = self._parse(ctx.headers.get("proxy-authorization"))
        source = "proxy-authorization"
        if parameters is None:
            parameters = self._parse(ctx.headers.get("authorization"))
            source = "authorization"
        if self._config.hide_credentials:
            ctx.upstream.headers.remove(source)
        return parameters

    def _parse(self, header: str | None) -> _Parameters | None:
        found = self._pattern.search(header) if header is not None else None
        if found is None:
            return None
        return _Parameters(found[1], found[2], found[3].split(" "), found[4])

    def _is_acceptable(self, parameters: _Parameters) -> bool:
        return parameters.algorithm in self._algorithms and self._enforced.issubset(parameters.headers)

    def _is_body_right(self, ctx: Context) -> bool:
        if not self._config.validate_request_body:
            return True
        body = ctx.request_body
        digest = ctx.headers.get("digest")
        if body is None:
            return False
        if digest is None:
            return not body
        expected = "SHA-256=" + b64encode(sha256(body).digest()).decode()
        return hmac.compare_digest(expected.encode(), digest.encode("latin-1"))


def _is_signed_by(secret: bytes, parameters: _Parameters, ctx: Context) -> bool:
    try:
        signature = b64decode(parameters.signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    signed = "\n".join(_signed_line(name, ctx) for name in parameters.headers).encode("latin-1", "replace")
    return hmac.compare_digest(hmac.digest(secret, signed, _DIGESTS[parameters.algorithm]), signature)


def _signed_line(name: str, ctx: Context) -> str:
    value = ctx.headers.get(name)
    if value is not None:
        return f"{name}: {value}"
    target = ctx.raw_path if ctx.raw_query is None else f"{ctx.raw_path}?{ctx.raw_query}"
    if name == "@request-target":
        return f"{name}: {ctx.method.lower()} {target}"
    if name == "request-line":
        return f"{ctx.method} {target} HTTP/{ctx.http_version}"
    return f"{name}:"


def _add_user(users: UserIndex, credential: Credential, consumer: Consumer | None) -> None:
    secret = credential.fields.get("secret")
    # An empty secret is one that everybody knows.
    if secret:
        # Header text is latin-1, a configured name is UTF-8.
        username = credential.fields["username"].encode().decode("latin-1")
        users[username] = (secret.encode(), consumer, credential)


INDEX = CredentialIndex[UserIndex](NAME, "hmacauth_credentials", dict, _add_user)
