"""The collections of the Admin API as a table: paths, entities, and what is nested in what.

Names follow Kong: a path segment may differ from the collection's own name (``/key-auths`` holds
``keyauth_credentials``), and inside a consumer it differs once more (``/consumers/bob/key-auth``). Everything
that walks collections (routes of the API, paging, tags, documentation) reads this table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Collection:
    """One kind of entity; ``segment`` is its place in a path."""

    name: str
    segment: str
    shown_as: str  # what a single one is called in error texts and documents

    @property
    def path(self) -> str:
        """The path of the whole collection."""
        return "/" + self.segment


@dataclass(frozen=True, slots=True)
class Nesting:
    """Children of one parent: ``/<parent>/{key}/<segment>``; ``field`` is the child's reference to it."""

    parent: str
    segment: str
    child: str
    field: str


@dataclass(frozen=True, slots=True)
class Shortcut:
    """What an entity refers to: ``/<child>/{key}/<field>``."""

    child: str
    field: str
    parent: str


COLLECTIONS: tuple[Collection, ...] = (
    Collection("services", "services", "service"),
    Collection("routes", "routes", "route"),
    Collection("consumers", "consumers", "consumer"),
    Collection("plugins", "plugins", "plugin"),
    Collection("upstreams", "upstreams", "upstream"),
    Collection("certificates", "certificates", "certificate"),
    Collection("snis", "snis", "SNI"),
    Collection("ca_certificates", "ca_certificates", "CA certificate"),
    Collection("vaults", "vaults", "vault"),
    Collection("key_sets", "key-sets", "key set"),
    Collection("keys", "keys", "key"),
    Collection("keyauth_credentials", "key-auths", "API key"),
    Collection("basicauth_credentials", "basic-auths", "basic-auth credential"),
    Collection("hmacauth_credentials", "hmac-auths", "HMAC credential"),
    Collection("jwt_secrets", "jwts", "JWT credential"),
    Collection("acls", "acls", "ACL group"),
    Collection("oauth2_credentials", "oauth2", "OAuth 2 client"),
)

# Only reached through their upstream, as in Kong.
TARGETS = Collection("targets", "targets", "target")

NESTINGS: tuple[Nesting, ...] = (
    Nesting("services", "routes", "routes", "service"),
    Nesting("services", "plugins", "plugins", "service"),
    Nesting("routes", "plugins", "plugins", "route"),
    Nesting("consumers", "plugins", "plugins", "consumer"),
    Nesting("consumers", "key-auth", "keyauth_credentials", "consumer"),
    Nesting("consumers", "basic-auth", "basicauth_credentials", "consumer"),
    Nesting("consumers", "hmac-auth", "hmacauth_credentials", "consumer"),
    Nesting("consumers", "jwt", "jwt_secrets", "consumer"),
    Nesting("consumers", "acls", "acls", "consumer"),
    Nesting("consumers", "oauth2", "oauth2_credentials", "consumer"),
    Nesting("certificates", "snis", "snis", "certificate"),
    Nesting("certificates", "services", "services", "client_certificate"),
    Nesting("certificates", "upstreams", "upstreams", "client_certificate"),
    Nesting("key_sets", "keys", "keys", "set"),
)

SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut("routes", "service", "services"),
    Shortcut("services", "client_certificate", "certificates"),
    Shortcut("upstreams", "client_certificate", "certificates"),
    Shortcut("plugins", "service", "services"),
    Shortcut("plugins", "route", "routes"),
    Shortcut("plugins", "consumer", "consumers"),
    Shortcut("keys", "set", "key_sets"),
    Shortcut("keyauth_credentials", "consumer", "consumers"),
    Shortcut("basicauth_credentials", "consumer", "consumers"),
    Shortcut("hmacauth_credentials", "consumer", "consumers"),
    Shortcut("jwt_secrets", "consumer", "consumers"),
    Shortcut("acls", "consumer", "consumers"),
    Shortcut("oauth2_credentials", "consumer", "consumers"),
)


def collection_of(name: str) -> Collection:
    """Return the row of a collection."""
    return next(row for row in (*COLLECTIONS, TARGETS) if row.name == name)
