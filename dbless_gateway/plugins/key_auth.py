"""key-auth: identify the consumer by an API key in a header, the query or the body.

Kong's behaviour this follows: https://developer.konghq.com/plugins/key-auth/ (3.9 and later).
Differences: the key is found by its digest and compared in constant time; a configured key may be the
SHA-256 of the real one, written ``sha256:`` and 64 hexadecimal digits.
"""

from __future__ import annotations

from dbless_gateway.pdk.api_keys import KeyIndex, KeyPlaces
from dbless_gateway.pdk.auth import Gate, Outcome, challenge
from dbless_gateway.pdk.body import Fields
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.credential_index import CredentialIndex
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.identity import Credential
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.query import without_argument
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.redaction import secret_names
from dbless_gateway.pdk.reply import Reply

NAME = "key-auth"
PRIORITY = 1250
INDEX = CredentialIndex(NAME, "keyauth_credentials", KeyIndex, KeyIndex.add)


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
        self._takes_preflight = config.run_on_preflight
        self._hides = config.hide_credentials
        self._places = KeyPlaces(
            config.key_names, config.key_in_header, config.key_in_query, config.key_in_body
        )
        self._challenge = challenge("Key", config.realm)
        self._gate = Gate(config.anonymous, env, config.anonymous_on, self._places.has_any)
        self._keys = INDEX.of(env.identities)
        self._now = env.host.now
        for name in config.key_names:
            secret_names(env.identities).update({name.lower(), name.lower().replace("_", "-")})

    def access(self, ctx: Context) -> Outcome:
        """Identify the consumer or refuse."""
        if not self._takes_preflight and ctx.method == "OPTIONS":
            return None
        return self._gate.run(ctx, self._authenticate)

    def _authenticate(self, ctx: Context) -> Reply | None:
        found = self._places.find(ctx)
        if found is None:
            return refuse(ctx, 401, "No API key found in request", self._challenge)
        if found.key is None:
            return refuse(ctx, 401, "Duplicate API key found", self._challenge)
        if self._hides:
            _hide(ctx, found.name, found.fields)
        if not found.key:
            return refuse(ctx, 401, "No API key found in request", self._challenge)
        known = self._keys.find(found.key)
        if known is None or self._is_expired(known[1]):
            return refuse(ctx, 401, "Unauthorized", self._challenge)
        if known[0] is None:
            return refuse(ctx, 500)
        ctx.authenticate(known[0], known[1])
        return None

    def _is_expired(self, credential: Credential) -> bool:
        # Without a database a ttl is the moment when the key ends, in seconds since the epoch.
        ends_at = credential.fields.get("ttl")
        return ends_at is not None and ends_at <= self._now()


def _hide(ctx: Context, name: str, fields: Fields | None) -> None:
    ctx.upstream.headers.remove(name)
    if ctx.upstream.query:
        ctx.upstream.query = without_argument(ctx.upstream.query, name)
    if fields is not None:
        fields.remove(name)
        ctx.upstream.body = fields.encode()
