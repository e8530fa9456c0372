"""Consumers and credentials of one configuration, indexed for the plugins that ask who a client is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from dbless_gateway.config.entities import Consumer, Credential, Where

__all__ = ["Consumer", "Credential", "Identities", "credential_identifier", "subject_credential"]

T = TypeVar("T")


class Identities:
    """Look-ups over the consumers and credentials of one snapshot; once it serves, only its memo of indexes grows."""

    __slots__ = ("_by_custom_id", "_by_id", "_by_username", "_credentials", "_indexes")

    def __init__(self, consumers: Iterable[Consumer], credentials: Iterable[Credential]) -> None:
        self._by_id: dict[str, Consumer] = {}
        self._by_username: dict[str, Consumer] = {}
        self._by_custom_id: dict[str, Consumer] = {}
        self._credentials: dict[str, list[Credential]] = {}
        self._indexes: dict[str, Any] = {}
        self.add(consumers, credentials)

    def add(self, consumers: Iterable[Consumer], credentials: Iterable[Credential]) -> None:
        """Take more of them, while the configuration is compiled."""
        for consumer in consumers:
            self._by_id[consumer.id] = consumer
            if consumer.username is not None:
                self._by_username[consumer.username] = consumer
            if consumer.custom_id is not None:
                self._by_custom_id[consumer.custom_id] = consumer
        for credential in credentials:
            self._credentials.setdefault(credential.kind, []).append(credential)

    def consumer(self, consumer_id: str) -> Consumer | None:
        """Return the consumer of that id."""
        return self._by_id.get(consumer_id)

    def consumer_by_id_or_username(self, key: str) -> Consumer | None:
        """Return the consumer of that id, else of that username (as ``anonymous`` fields mean it)."""
        return self._by_id.get(key) or self._by_username.get(key)

    def consumer_by_custom_id(self, custom_id: str) -> Consumer | None:
        """Return the consumer of that custom id; they are unique."""
        return self._by_custom_id.get(custom_id)

    def credentials(self, kind: str) -> list[Credential]:
        """Return all credentials of a kind, e.g. ``keyauth_credentials``."""
        return self._credentials.get(kind, [])

    def index(self, name: str, build: Callable[[Identities], T]) -> T:
        """Return the index of that name, built on first use.

        A plugin with a hundred instances indexes a million credentials once per configuration, not a hundred
        times.
        """
        if name not in self._indexes:
            self._indexes[name] = build(self)
        index: T = self._indexes[name]
        return index

    def has_index(self, name: str) -> bool:
        """Tell whether the index of that name has been built."""
        return name in self._indexes

    def tables(self) -> list[dict[Any, Any] | list[Any]]:
        """Return everything that grows with the configuration, for whoever empties it in slices at its end."""
        found: list[dict[Any, Any] | list[Any]] = []
        for index in self._indexes.values():
            found += getattr(index, "tables", ())
            if isinstance(index, dict):
                found.append(index)
        self._indexes = {}
        return [*found, *self._credentials.values(), self._by_username, self._by_custom_id, self._by_id]


# How a credential is named to the target; any other kind by its id.
_IDENTIFYING_FIELDS = {
    "basicauth_credentials": "username",
    "hmacauth_credentials": "username",
    "jwt_secrets": "key",
}


def credential_identifier(credential: Credential) -> str:
    """Return what X-Credential-Identifier says of a credential: never a secret."""
    field = _IDENTIFYING_FIELDS.get(credential.kind)
    return credential.id if field is None else str(credential.fields[field])


def subject_credential(kind: str, subject: str) -> Credential:
    """Return the credential of somebody whom an issuer vouches for: it is in no file."""
    return Credential(
        id=subject,
        kind=kind,
        consumer="",
        fields={_IDENTIFYING_FIELDS.get(kind, "subject"): subject},
        tags=None,
        created_at=0,
        where=Where("", 0, 0),
    )
