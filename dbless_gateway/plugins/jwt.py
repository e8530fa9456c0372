"""jwt: identify the consumer by a signed JSON Web Token.

Kong's behaviour this follows: https://developer.konghq.com/plugins/jwt/ (3.8 and later).
Differences: a signature of the wrong length, or a public key that is none, is refused with 401 like any
other token that cannot be verified (Kong: 500); PS* accepts RSA keys of any size.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from dbless_gateway.pdk.auth import Gate, Outcome
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.cookies import request_cookies
from dbless_gateway.pdk.errors import exit_json, is_grpc
from dbless_gateway.pdk.identity import Consumer, Credential, Identities
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.record import secret_names
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.signatures import ALGORITHMS, Verifier, make_verifier, preload

NAME = "jwt"
PRIORITY = 1450

# As in Kong not anchored.
_BEARER = re.compile(r"[Bb]earer\s+(.+)")


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


class Token(NamedTuple):
    """A token taken apart."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


class _Refused(Exception):
    """A token is not good enough; carries the body of the answer."""

    def __init__(self, body: dict[str, str] | str) -> None:
        super().__init__(body)
        self.body = {"message": body} if isinstance(body, str) else body


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
    """Collects tokens, and accepts exactly one that a consumer's key has signed."""

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self._config = config
        self._claim = config.key_claim_name or "iss"
        self._header_names = ("authorization",) if config.header_names is None else config.header_names
        self._gate = Gate(config.anonymous, env, config.anonymous_on, self._has_credentials)
        self._secrets = env.identities.index("jwt", _index_secrets)
        self._now = env.host.now
        names = (*(config.uri_param_names or ()), *self._header_names)
        secret_names(env).update(name.lower() for name in names)
        realm = f'realm="{config.realm}"' if config.realm else ""
        self._missing = (("WWW-Authenticate", f"Bearer {realm}".strip()),)
        error = ", ".join(filter(None, (realm, 'error="invalid_token"')))
        self._invalid = (("WWW-Authenticate", f"Bearer {error}"),)

    def access(self, ctx: Context) -> Outcome:
        """Identify the consumer or refuse."""
        if not self._config.run_on_preflight and ctx.method == "OPTIONS":
            return None
        return self._gate.run(ctx, self._authenticate)

    def _authenticate(self, ctx: Context) -> Reply | None:
        tokens = set(self._find_tokens(ctx))
        grpc = is_grpc(ctx.headers.get("content-type"))
        if not tokens:
            return exit_json(401, {"message": "Unauthorized"}, self._missing, grpc=grpc)
        try:
            if len(tokens) > 1:
                raise _Refused("Multiple tokens provided")
            text = tokens.pop()
            secret = self._verify(text)
        except _Refused as refused:
            return exit_json(401, refused.body, self._invalid, grpc=grpc)
        if secret.consumer is None:
            key = secret.credential.fields["key"]
            message = f"Could not find consumer for '{self._claim}={key}'"
            return exit_json(401, {"message": message}, grpc=grpc)
        ctx.shared["authenticated_jwt_token"] = text
        ctx.authenticate(secret.consumer, secret.credential)
        return None

    def _has_credentials(self, ctx: Context) -> bool:
        return any(self._find_tokens(ctx))

    def _find_tokens(self, ctx: Context) -> Iterator[str]:
        if ctx.raw_query:
            args = ctx.query_args()
            for name in self._config.uri_param_names or ():
                yield from (value for value in args.get(name, ()) if isinstance(value, str) and value)
        if self._config.cookie_names:
            cookies = request_cookies(ctx)
            yield from filter(None, (cookies.get(name) for name in self._config.cookie_names))
        for name in self._header_names:
            found = _BEARER.search(ctx.headers.get(name) or "")
            if found is not None:
                yield found[1]

    def _verify(self, text: str) -> _Secret:
        token = decode(text)
        secret = self._secret_of(token)
        if token.header["alg"] != secret.algorithm:
            raise _Refused("Invalid algorithm")
        verifier = secret.verifier(self._config.secret_is_base64)
        if verifier is None:
            raise _Refused("Invalid key/secret")
        if not verifier(token.signed, token.signature):
            raise _Refused("Invalid signature")
        self._check_times(token.claims)
        return secret

    def _secret_of(self, token: Token) -> _Secret:
        claim = self._claim
        key = token.claims.get(claim)
        if key is None or key is False:
            key = token.header.get(claim)
        if key is None or key is False:
            raise _Refused(f"No mandatory '{claim}' in claims")
        if key == "":
            raise _Refused(f"Invalid '{claim}' in claims")
        secret = self._secrets.get(str(key))
        if secret is None:
            raise _Refused(f"No credentials found for given '{claim}'")
        return secret

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._now()
        faults = {}
        for name in self._config.claims_to_verify or ():
            value = claims.get(name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                faults[name] = "must be a number"
            elif name == "exp" and value <= now:
                faults[name] = "token expired"
            elif name == "nbf" and value > now:
                faults[name] = "token not valid yet"
        if faults:
            raise _Refused(faults)
        longest = self._config.maximum_expiration or 0
        if longest > 0:
            value = claims.get("exp")
            if not isinstance(value, int | float) or value - now > longest:
                raise _Refused({"exp": "exceeds maximum allowed expiration"})


def decode(text: str) -> Token:
    """Take a token apart; raises ``_Refused`` when it is none."""
    parts = text.split(".", 2)
    if len(parts) < 3:
        raise _Refused("Bad token; invalid JSON")
    header, claims = _decode_json(parts[0]), _decode_json(parts[1])
    if not isinstance(header, dict):
        raise _Refused("Bad token; invalid JSON")
    if header.get("alg") not in ALGORITHMS:
        raise _Refused("Bad token; invalid alg")
    if not isinstance(claims, dict):
        raise _Refused("Bad token; invalid claims")
    signature = _decode_base64(parts[2])
    if not signature:
        raise _Refused("Bad token; invalid signature")
    return Token(header, claims, f"{parts[0]}.{parts[1]}".encode("latin-1", "replace"), signature)


def _decode_json(part: str) -> Any:
    raw = _decode_base64(part)
    try:
        return json.loads(raw or b"", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _Refused("Bad token; invalid JSON") from None


def _refuse_constant(name: str) -> None:
    # NaN is no JSON, and it would be neither expired nor not yet valid.
    raise ValueError(name)


def _decode_base64(part: str) -> bytes | None:
    text = part.rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        return None


def _index_secrets(identities: Identities) -> dict[str, _Secret]:
    index = {
        credential.fields["key"]: _Secret(credential, identities.consumer(credential.consumer))
        for credential in identities.credentials("jwt_secrets")
    }
    for algorithm in {secret.algorithm for secret in index.values()}:
        preload(algorithm)
    return index
