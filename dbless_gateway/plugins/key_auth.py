"""key-auth: identify the consumer by an API key in a header, the query or the body.

Kong's behaviour this follows: https://developer.konghq.com/plugins/key-auth/ (3.9 and later).
Differences: the key is found by a hash and compared in constant time; a configured key may be the
SHA-256 of the real one, written ``sha256:`` and 64 hexadecimal digits.
"""

from __future__ import annotations

from dbless_gateway.pdk.api_keys import KeyCheck, KeyIndex, KeyPlaces
from dbless_gateway.pdk.auth import Authenticate, Gate, challenge
from dbless_gateway.pdk.credential_index import CredentialIndex
from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.records import dataclass
from dbless_gateway.pdk.redaction import secret_names

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

    # Not a method, because it is compiled: a frame of the interpreter around it would cost what it saves.
    access: Authenticate

    def __init__(self, config: Config, env: PluginEnv) -> None:
        self.needs_request_body = config.key_in_body
        places = KeyPlaces(config.key_names, config.key_in_header, config.key_in_query, config.key_in_body)
        check = KeyCheck(
            places,
            INDEX.of(env.identities),
            challenge("Key", config.realm),
            env.host.now,
            hides=config.hide_credentials,
            takes_preflight=config.run_on_preflight,
        )
        self.access = Gate(config.anonymous, env, config.anonymous_on, places.has_any).step(check.run)
        for name in config.key_names:
            secret_names(env.identities).update({name.lower(), name.lower().replace("_", "-")})
