"""key-auth: identify the consumer by an API key in a header, the query or the body.

Kong's behaviour this follows: https://developer.konghq.com/plugins/key-auth/ (3.9 and later).
Differences: the key is found by its digest and compared in constant time; a configured key may be the
SHA-256 of the real one, written ``sha256:`` and 64 hexadecimal digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b, sha256
from hmac import compare_digest

from dbless_gateway.pdk.auth import Gate, Outcome, challenge
from dbless_gateway.pdk.body import Fields, parse_body
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.identity import Consumer, Credential, Identities
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.query import without_argument
from dbless_gateway.pdk.redaction import secret_names
from dbless_gateway.pdk.reply import Reply

NAME = "key-auth"
PRIORITY = 1250

_HASHED_KEY = re.compile(r"sha256:([0-9a-fA-F]{64})")

# Whom a key identifies; a credential whose consumer is missing has None.
Known = tuple[Consumer | None, Credential]


@dataclass(frozen=True, slots=True)
class Config:
    key_names: tuple[str, ...]
    hide_credentials: bool
    anonymous: str | None
    anonymous_on: str | None
    key_in_header: bool
    key_in_query: bool
    key_in_body: bool
    run_on_preflight: bool
    realm: str | None


class Handler:
    """Looks for the first of ``key_names`` that has a value, in header, query and body."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self.needs_request_body = config.key_in_body
        self._config = config
        self._challenge = challenge("Key", config.realm)
        self._gate = Gate(config.anonymous, env, config.anonymous_on, self._has_credentials)
        self._keys = env.identities.index("key-auth", _Keys)
        self._now = env.host.now
        for name in config.key_names:
            secret_names(env.identities).update({name.lower(), name.lower().replace("_", "-")})

    def access(self, ctx: Context) -> Outcome:
        """Identify the consumer or refuse."""
        if not self._config.run_on_preflight and ctx.method == "OPTIONS":
            return None
        return self._gate.run(ctx, self._authenticate)

    def _authenticate(self, ctx: Context) -> Reply | None:
        found = self._find_key(ctx)
        if isinstance(found, Reply):
            return found
        if not found:
            return refuse(ctx, 401, "No API key found in request", self._challenge)
        known = self._keys.find(found)
        if known is None or self._is_expired(known[1]):
            return refuse(ctx, 401, "Unauthorized", self._challenge)
        if known[0] is None:
            return refuse(ctx, 500)
        ctx.authenticate(known[0], known[1])
        return None

    def _find_key(self, ctx: Context) -> bytes | Reply | None:
        fields = self._body_fields(ctx)
        for name in self._config.key_names:
            value = self._value(ctx, name, fields)
            if isinstance(value, str):
                if self._config.hide_credentials:
                    _hide(ctx, name, fields)
                return value.encode("utf-8", "surrogateescape")
            if isinstance(value, list):
                return refuse(ctx, 401, "Duplicate API key found", self._challenge)
        return None

    def _value(self, ctx: Context, name: str, fields: Fields | None) -> object:
        """Return what stands under one of the names: a text, a list of several, or something useless."""
        config = self._config
        value: object = None
        if config.key_in_header:
            value = _header_value(ctx, name)
        if value is None and config.key_in_query and ctx.raw_query:
            values = ctx.query_args().get(name)
            value = values[0] if values and len(values) == 1 else values
        if value is None and fields is not None:
            value = fields.get(name)
        return value

    def _has_credentials(self, ctx: Context) -> bool:
        fields = self._body_fields(ctx)
        values = [self._value(ctx, name, fields) for name in self._config.key_names]
        return any(isinstance(value, str | list) and value for value in values)

    def _body_fields(self, ctx: Context) -> Fields | None:
        if not self._config.key_in_body:
            return None
        return parse_body(ctx.request_body, ctx.headers.get("content-type"))

    def _is_expired(self, credential: Credential) -> bool:
        # Without a database a ttl is the moment when the key ends, in seconds since the epoch.
        ends_at = credential.fields.get("ttl")
        return ends_at is not None and ends_at <= self._now()


def _header_value(ctx: Context, name: str) -> str | list[str] | None:
    lines = ctx.headers.get_all(name)
    if not lines:
        return None
    if len(lines) > 1:
        return lines
    # Header text is latin-1, a configured key is UTF-8: what counts is that the bytes are the same.
    value = lines[0]
    return value if value.isascii() else value.encode("latin-1").decode("utf-8", "surrogateescape")


def _hide(ctx: Context, name: str, fields: Fields | None) -> None:
    ctx.upstream.headers.remove(name)
    if ctx.upstream.query:
        ctx.upstream.query = without_argument(ctx.upstream.query, name)
    if fields is not None:
        fields.remove(name)
        ctx.upstream.body = fields.encode()


class _Keys:
    """All keys of a configuration by digest, so that no comparison tells how much of a guess was right."""

    def __init__(self, identities: Identities) -> None:
        self._plain: dict[bytes, tuple[bytes, Known]] = {}
        self._hashed: dict[bytes, Known] = {}
        for credential in identities.credentials("keyauth_credentials"):
            key: str = credential.fields["key"]
            known = (identities.consumer(credential.consumer), credential)
            hashed = _HASHED_KEY.fullmatch(key)
            if hashed is not None:
                self._hashed[bytes.fromhex(hashed[1])] = known
            else:
                raw = key.encode()
                self._plain[_digest(raw)] = (raw, known)

    def find(self, key: bytes) -> Known | None:
        """Return whom a key identifies."""
        plain = self._plain.get(_digest(key))
        if plain is not None and compare_digest(plain[0], key):
            return plain[1]
        return self._hashed.get(sha256(key).digest()) if self._hashed else None


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=16).digest()
