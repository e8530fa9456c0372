"""Public keys of a token issuer, fetched from its JSON Web Key Set and kept.

The set's address is given, or found by OpenID Connect discovery. Rules of the file:

1. Keys are asked for when a token needs them, and once at a time; whoever knows them does not wait.
2. While the issuer cannot be reached, keys that were good go on being used, up to a limit.
3. A token with an unknown key id makes the keys be fetched again, but tokens cannot make that happen often:
   anybody can write one.
4. A clock that goes back makes keys old, not new for longer.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dbless_gateway.config.records import dataclass, replace
from dbless_gateway.pdk.signatures import Verifier, make_jwk_verifier

if TYPE_CHECKING:
    # `validate` loads this module for its checks, and has no event loop.
    import asyncio

# After a success only an unknown key id asks again so soon, after a failure every token does.
_PAUSE_AFTER_SUCCESS_S = 30.0
_PAUSE_AFTER_FAILURE_S = 5.0
_TIMEOUT_S = 5.0
# Large issuers publish some ten keys of 2 KiB.
_DOCUMENT_LIMIT_BYTES = 1 << 20
_MAX_KEYS = 100
# A token without a key id may be of any key; so many are tried.
_MAX_TRIES = 8

_DISCOVERY_PATH = "/.well-known/openid-configuration"


class KeysUnavailable(Exception):
    """There are no keys that may be used, and none can be had now."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where keys come from and how long they are good; without ``jwks_uri`` the issuer tells it."""

    jwks_uri: str | None
    issuer: str | None
    fresh_s: float
    stale_s: float  # in addition, while the issuer cannot be reached


class RemoteKeys:
    """The keys of one issuer, as one worker knows them."""

    def __init__(
        self,
        source: KeySource,
        now: Callable[[], float],
        log: logging.Logger,
        trusted_file: str | None = None,
    ) -> None:
        self._source = source
        self._trusted_file = trusted_file
        self._now = now
        self._log = log
        self._keys: _KeySet | None = None
        self._fetched_at = 0.0
        self._ask_again_at = 0.0
        self._refreshing: asyncio.Task[None] | None = None
        self.generation = 0  # another number: other keys

    @property
    def is_fresh(self) -> bool:
        """Tell whether the issuer need not be asked yet."""
        return 0 <= self._now() - self._fetched_at <= self._source.fresh_s

    def known(self, key_id: str | None, algorithm: str) -> tuple[Verifier, ...] | None:
        """Return what may verify such a token; None when the issuer has to be asked first."""
        keys = self._keys
        if keys is None:
            return None
        if self.is_fresh or (self._is_usable() and not self._may_ask()):
            found = keys.verifiers(key_id, algorithm)
            if found or not self._may_ask():
                return found
        return None

    async def ask(self, key_id: str | None, algorithm: str) -> tuple[Verifier, ...]:
        """Return what may verify such a token, from the newest keys; raises ``KeysUnavailable``."""
        import asyncio

        if self._may_ask():
            if self._refreshing is None:
                self._refreshing = asyncio.get_running_loop().create_task(self._refresh())
            # A client that goes away must not take the keys from others who wait for them.
            await asyncio.shield(self._refreshing)
        if self._keys is None or not self._is_usable():
            raise KeysUnavailable
        return self._keys.verifiers(key_id, algorithm)

    async def close(self) -> None:
        """Wait for the answer if the issuer is being asked: requests may wait for it, too."""
        if self._refreshing is not None:
            import asyncio

            await asyncio.wait([self._refreshing])

    def _may_ask(self) -> bool:
        # A longer pause than there is comes of a clock that went back.
        pause_s = self._ask_again_at - self._now()
        return self._refreshing is not None or not 0 < pause_s <= _PAUSE_AFTER_SUCCESS_S

    def _is_usable(self) -> bool:
        return self._now() - self._fetched_at <= self._source.fresh_s + self._source.stale_s

    async def _refresh(self) -> None:
        try:
            fetched = await _fetch_keys(self._source, self._trusted_file)
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            self._ask_again_at = self._now() + _PAUSE_AFTER_FAILURE_S
            name = self._source.jwks_uri or self._source.issuer
            self._log.error("keys of %s: %s", name, str(error) or type(error).__name__)
        else:
            self._fetched_at = self._now()
            self._ask_again_at = self._fetched_at + _PAUSE_AFTER_SUCCESS_S
            if self._keys is None or fetched != self._keys.keys:
                self._keys = _KeySet(fetched)
                self.generation += 1
        finally:
            self._refreshing = None


class _KeySet:
    """Keys as they were published, and their verifiers, prepared when they are first needed."""

    def __init__(self, keys: list[dict[str, Any]]) -> None:
        self.keys = keys
        self._key_ids = {key.get("kid") for key in keys if isinstance(key.get("kid"), str)}
        self._verifiers: dict[tuple[str | None, str], tuple[Verifier, ...]] = {}

    def verifiers(self, key_id: str | None, algorithm: str) -> tuple[Verifier, ...]:
        """Return the verifiers of the keys that a token may mean."""
        # Clients make up key ids: all that are unknown share one entry.
        named = key_id if key_id in self._key_ids else "" if key_id is not None else None
        found = self._verifiers.get((named, algorithm))
        if found is None:
            found = self._verifiers[named, algorithm] = tuple(self._prepare(named, algorithm))
        return found

    def _prepare(self, key_id: str | None, algorithm: str) -> list[Verifier]:
        # A key without an id may be any.
        meant = [key for key in self.keys if key_id is None or key.get("kid") in (None, key_id)]
        made = (make_jwk_verifier(algorithm, key) for key in meant)
        return [verifier for verifier in made if verifier is not None][:_MAX_TRIES]


def check_url(url: str) -> None:
    """Raise ``ValueError`` when nothing can be fetched from there."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("should be an http or https URL")
    if not parts.hostname:
        raise ValueError("missing host in url")
    _ = parts.port  # raises, too


async def _fetch_keys(source: KeySource, trusted_file: str | None) -> list[dict[str, Any]]:
    uri = source.jwks_uri or await _discover(source.issuer or "", trusted_file)
    document = await _fetch(uri, trusted_file)
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise ValueError(f"{uri}: there is no list of keys")
    return [key for key in keys[:_MAX_KEYS] if isinstance(key, dict)]


async def _discover(issuer: str, trusted_file: str | None) -> str:
    uri = issuer.rstrip("/") + _DISCOVERY_PATH
    document = await _fetch(uri, trusted_file)
    # OpenID Connect Discovery 4.3: otherwise one issuer could speak for another.
    if document.get("issuer") != issuer:
        raise ValueError(f"{uri}: it is about the issuer {document.get('issuer')!r}")
    found = document.get("jwks_uri")
    if not isinstance(found, str):
        raise ValueError(f"{uri}: there is no jwks_uri")
    return found


async def _fetch(uri: str, trusted_file: str | None) -> dict[str, Any]:
    # Imported here because it needs an event loop, which `validate` has not.
    from dbless_gateway.pdk.http_client import Endpoint, HttpClient

    check_url(uri)
    query = urlsplit(uri).query
    endpoint = Endpoint.parse(uri)
    if query:
        endpoint = replace(endpoint, path=f"{endpoint.path}?{query}")
    client = HttpClient(
        endpoint,
        timeout_s=_TIMEOUT_S,
        keepalive_s=0,
        verifies=True,
        trusted_file=trusted_file,
        body_limit_bytes=_DOCUMENT_LIMIT_BYTES,
    )
    try:
        answer = await client.send("GET", [("Accept", "application/json")], b"")
    finally:
        client.close()
    if answer.status != 200:
        raise ValueError(f"{uri}: it answers {answer.status}")
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise ValueError(f"{uri}: the answer is no JSON") from None
    if not isinstance(document, dict):
        raise ValueError(f"{uri}: the answer is no JSON object")
    return document
