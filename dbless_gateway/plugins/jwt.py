"""jwt: identify the consumer by a signed JSON Web Token.

Kong's behaviour this follows: https://developer.konghq.com/plugins/jwt/ (3.8 and later).
Differences: a signature of the wrong length, or a public key that is none, is refused with 401 like any
other token that cannot be verified (Kong: 500); PS* accepts RSA keys of any size. Key sets of issuers, the
allow-list of algorithms and the cache of verified tokens are extensions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dbless_gateway.pdk.auth import Gate, Outcome
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.credential_index import CredentialIndex
from dbless_gateway.pdk.errors import exit_json, is_grpc, refuse
from dbless_gateway.pdk.identity import Consumer, Credential, Identities, subject_credential
from dbless_gateway.pdk.json_web_tokens import Decoder, Refused, Times, Token, TokenPlaces, key_of
from dbless_gateway.pdk.jwks import KeySource, KeysUnavailable, RemoteKeys, check_url
from dbless_gateway.pdk.plugin import ConfigError, PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.redaction import secret_names
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.signatures import ALGORITHMS, Verifier, make_verifier, preload
from dbless_gateway.pdk.token_cache import TokenCache

NAME = "jwt"
PRIORITY = 1450

# Used where the configuration says nothing: most issuers announce a new key for longer than that.
JWKS_TTL_S = 300.0
JWKS_STALE_TTL_S = 86400.0

# OpenID Connect Core 2: a subject has at most 255 characters.
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Config:
    uri_param_names: tuple[str, ...] | None
    cookie_names: tuple[str, ...] | None
    key_claim_name: str | None
    secret_is_base64: bool
    claims_to_verify: tuple[str, ...] | None
    anonymous: str | None
    anonymous_on: str | None
    run_on_preflight: bool
    maximum_expiration: float | None
    header_names: tuple[str, ...] | None
    realm: str | None
    jwks_uri: str | None
    issuer: str | None
    audiences: tuple[str, ...] | None
    consumer_claim: str | None
    jwks_ttl: float | None
    jwks_stale_ttl: float | None
    algorithms: tuple[str, ...] | None
    token_cache: int | None


class _Verified(NamedTuple):
    """What a signature has proved."""

    claims: dict[str, Any]
    consumer: Consumer | None
    credential: Credential
    generation: int | None  # of the issuer's keys; None: the key is a credential's


class _Secret:
    """A credential, whose consumer it is, and its key, prepared when it is first needed."""

    __slots__ = ("algorithm", "consumer", "credential", "verifiers")

    def __init__(self, credential: Credential, consumer: Consumer | None) -> None:
        self.credential = credential
        self.consumer = consumer
        self.algorithm = credential.fields.get("algorithm") or "HS256"
        self.verifiers: dict[bool, Verifier | None] = {}

    def verifier(self, is_base64: bool) -> Verifier | None:
        """Return what checks signatures, None when the key cannot be used."""
        if is_base64 not in self.verifiers:
            fields = self.credential.fields
            name = "secret" if self.algorithm.startswith("HS") else "rsa_public_key"
            self.verifiers[is_base64] = make_verifier(self.algorithm, fields.get(name), is_base64=is_base64)
        return self.verifiers[is_base64]


class Handler:
    """Collects tokens, and accepts exactly one that a consumer's key, or the issuer's, has signed."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._env = env
        self._claim = config.key_claim_name or "iss"
        parameters, cookies = config.uri_param_names or (), config.cookie_names or ()
        headers = ("authorization",) if config.header_names is None else config.header_names
        self._takes_preflight = config.run_on_preflight
        self._places = TokenPlaces(parameters, cookies, headers)
        self._decoder = Decoder()
        self._times = Times(config.maximum_expiration or 0)
        self._timed = config.claims_to_verify or ()
        self._gate = Gate(config.anonymous, env, config.anonymous_on, self._places.has_any)
        self._secrets = INDEX.of(env.identities)
        self._algorithms = ALGORITHMS if config.algorithms is None else frozenset(config.algorithms)
        self._source = _key_source(config)
        self._tokens = TokenCache(config.token_cache or 0)
        self._now = env.host.now
        secret_names(env.identities).update(name.lower() for name in (*parameters, *headers))
        realm = f'realm="{config.realm}"' if config.realm else ""
        self._missing = (("WWW-Authenticate", f"Bearer {realm}".strip()),)
        error = ", ".join(filter(None, (realm, 'error="invalid_token"')))
        self._invalid = (("WWW-Authenticate", f"Bearer {error}"),)

    def access(self, ctx: Context) -> Outcome:
        """Identify the consumer or refuse."""
        if not self._takes_preflight and ctx.method == "OPTIONS":
            return None
        return self._gate.run(ctx, self._authenticate)

    def _authenticate(self, ctx: Context) -> Outcome:
        tokens = self._places.find(ctx)
        if not tokens:
            grpc = is_grpc(ctx.headers.get("content-type"))
            return exit_json(401, {"message": "Unauthorized"}, self._missing, grpc=grpc)
        try:
            if len(tokens) > 1:
                raise Refused("Multiple tokens provided")
            return self._judge(ctx, tokens.pop())
        except Refused as refused:
            return self._refuse(ctx, refused)

    def _refuse(self, ctx: Context, refused: Refused) -> Reply:
        return exit_json(401, refused.body, self._invalid, grpc=is_grpc(ctx.headers.get("content-type")))

    def _judge(self, ctx: Context, text: str) -> Outcome:
        known: _Verified | None = self._tokens.get(text)
        if known is not None and self._is_current(known):
            return self._accept(ctx, text, known)
        token = self._decoder.decode(text)
        if token.algorithm not in self._algorithms:
            raise Refused("Invalid algorithm")
        secret = self._secrets.get(key_of(token, self._claim))
        if secret is None:
            return self._judge_issued(ctx, text, token)
        if token.algorithm != secret.algorithm:
            raise Refused("Invalid algorithm")
        verifier = secret.verifier(self._config.secret_is_base64)
        if verifier is None:
            raise Refused("Invalid key/secret")
        if not verifier(token.signed, token.signature):
            raise Refused("Invalid signature")
        return self._accept_new(ctx, text, _Verified(token.claims, secret.consumer, secret.credential, None))

    def _accept_new(self, ctx: Context, text: str, verified: _Verified) -> Reply | None:
        refusal = self._accept(ctx, text, verified)
        if refusal is None:
            self._tokens.put(text, verified)
        return refusal

    def _accept(self, ctx: Context, text: str, verified: _Verified) -> Reply | None:
        if verified.generation is None:
            self._times.check(verified.claims, self._timed, self._now())
            if verified.consumer is None:
                key = verified.credential.fields["key"]
                return self._no_consumer(ctx, self._claim, key)
        else:
            # Who has an issuer wants its tokens to end.
            names = ("exp", "nbf") if "nbf" in verified.claims else ("exp",)
            self._times.check(verified.claims, names, self._now())
        ctx.shared["authenticated_jwt_token"] = text
        ctx.authenticate(verified.consumer, verified.credential)
        return None

    def _no_consumer(self, ctx: Context, claim: str, value: Any) -> Reply:
        message = f"Could not find consumer for '{claim}={value}'"
        return exit_json(401, {"message": message}, grpc=is_grpc(ctx.headers.get("content-type")))

    def _keys(self, source: KeySource) -> RemoteKeys:
        env = self._env

        def make() -> RemoteKeys:
            return RemoteKeys(source, env.host.now, env.log, env.host.trusted_file)

        return env.host.resource(f"jwks:{source!r}", make)

    def _is_current(self, known: _Verified) -> bool:
        """Tell whether the key that verified a token is still one of its issuer's."""
        if known.generation is None or self._source is None:
            return True
        keys = self._keys(self._source)
        return keys.generation == known.generation and keys.is_fresh

    def _judge_issued(self, ctx: Context, text: str, token: Token) -> Outcome:
        if self._source is None:
            raise Refused(f"No credentials found for given '{self._claim}'")
        keys = self._keys(self._source)
        verifiers = keys.known(_key_id(token), token.algorithm)
        if verifiers is None:
            return self._judge_later(ctx, text, token, keys)
        return self._judge_by(verifiers, ctx, text, token, keys)

    async def _judge_later(self, ctx: Context, text: str, token: Token, keys: RemoteKeys) -> Reply | None:
        try:
            verifiers = await keys.ask(_key_id(token), token.algorithm)
            return self._judge_by(verifiers, ctx, text, token, keys)
        except Refused as refused:
            return self._refuse(ctx, refused)
        except KeysUnavailable:
            return refuse(ctx, 503)

    def _judge_by(
        self, verifiers: tuple[Verifier, ...], ctx: Context, text: str, token: Token, keys: RemoteKeys
    ) -> Reply | None:
        if not verifiers:
            raise Refused("No key found for given token")
        if not any(verifier(token.signed, token.signature) for verifier in verifiers):
            raise Refused("Invalid signature")
        config, claims = self._config, token.claims
        if config.issuer is not None and claims.get("iss") != config.issuer:
            raise Refused("Invalid issuer")
        if config.audiences is not None and not _names_one_of(claims.get("aud"), config.audiences):
            raise Refused("Invalid audience")
        consumer = None
        if config.consumer_claim is not None:
            name = _text_claim(claims, config.consumer_claim)
            consumer = _consumer_named(self._env.identities, name)
            if consumer is None:
                return self._no_consumer(ctx, config.consumer_claim, name)
        credential = subject_credential("jwt_secrets", _text_claim(claims, "sub"))
        return self._accept_new(ctx, text, _Verified(claims, consumer, credential, keys.generation))


def _key_source(config: Config) -> KeySource | None:
    """Return where an issuer's keys come from, if there is one."""
    for name in ("jwks_uri", "issuer"):
        url = getattr(config, name)
        if url is not None and (name == "jwks_uri" or config.jwks_uri is None):
            try:
                check_url(url)
            except ValueError as error:
                raise ConfigError(name, str(error)) from None
    if config.jwks_uri is None and config.issuer is None:
        for name in ("audiences", "consumer_claim", "jwks_ttl", "jwks_stale_ttl"):
            if getattr(config, name) is not None:
                raise ConfigError(name, "can only be used with jwks_uri or issuer")
        return None
    preload("RS256")
    return KeySource(
        config.jwks_uri,
        config.issuer,
        JWKS_TTL_S if config.jwks_ttl is None else config.jwks_ttl,
        JWKS_STALE_TTL_S if config.jwks_stale_ttl is None else config.jwks_stale_ttl,
    )


def _key_id(token: Token) -> str | None:
    key_id = token.header.get("kid")
    return key_id if isinstance(key_id, str) else None


def _names_one_of(audience: Any, accepted: tuple[str, ...]) -> bool:
    named = audience if isinstance(audience, list) else [audience]
    return any(name in accepted for name in named)


def _text_claim(claims: dict[str, Any], name: str) -> str:
    """Return a claim that goes into a header: whoever chose it must not be able to write more than one."""
    value = claims.get(name)
    if value is None:
        raise Refused(f"No mandatory '{name}' in claims")
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise Refused(f"Invalid '{name}' in claims")
    return value


def _consumer_named(identities: Identities, name: str) -> Consumer | None:
    found = identities.consumer_by_custom_id(name)
    if found is not None:
        return found
    found = identities.consumer_by_id_or_username(name)
    # An id is nobody's name; the issuer's users may choose theirs.
    return found if found is not None and found.username == name else None


def _add_secret(secrets: dict[str, _Secret], credential: Credential, consumer: Consumer | None) -> None:
    secret = secrets[credential.fields["key"]] = _Secret(credential, consumer)
    preload(secret.algorithm)


INDEX = CredentialIndex[dict[str, _Secret]](NAME, "jwt_secrets", dict, _add_secret)
