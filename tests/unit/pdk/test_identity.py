"""Look-ups over consumers and credentials."""

from __future__ import annotations

from dbless_gateway.pdk.identity import Identities, credential_identifier, subject_credential
from tests.support.plugin_context import make_consumer, make_credential

ALICE = make_consumer("id-alice", "alice")
NAMELESS = make_consumer("id-2", None)
KEY = make_credential("id-key", "keyauth_credentials", "id-alice", key="k")


def test_finds_by_id_and_by_name() -> None:
    identities = Identities([ALICE, NAMELESS], [KEY])

    assert identities.consumer("id-alice") is ALICE
    assert identities.consumer("alice") is None
    assert identities.consumer_by_id_or_username("alice") is ALICE
    assert identities.consumer_by_id_or_username("id-2") is NAMELESS
    assert identities.credentials("keyauth_credentials") == [KEY]
    assert identities.credentials("acls") == []


def test_an_index_is_built_once() -> None:
    identities = Identities([ALICE], [KEY])
    built: list[str] = []

    def build(source: Identities) -> dict[str, str]:
        built.append("once")
        return {str(c.fields["key"]): c.id for c in source.credentials("keyauth_credentials")}

    assert identities.index("keys", build) == {"k": "id-key"}
    assert identities.index("keys", build) == {"k": "id-key"}
    assert built == ["once"]


def test_a_credential_is_named_without_its_secret() -> None:
    fields = {"key": "k", "username": "u", "password": "p", "secret": "s"}
    kinds = ("keyauth_credentials", "basicauth_credentials", "hmacauth_credentials", "jwt_secrets")
    named = [credential_identifier(make_credential("id", kind, "c", **fields)) for kind in kinds]

    assert named == ["id", "u", "u", "k"]


def test_custom_ids() -> None:
    identities = Identities([make_consumer("c1", "alice", "a-1"), make_consumer("c2", "a-1")], [])

    found = identities.consumer_by_custom_id("a-1")
    assert found is not None
    assert found.id == "c1"
    assert identities.consumer_by_custom_id("alice") is None


def test_a_subject_is_named_to_the_target() -> None:
    assert credential_identifier(subject_credential("jwt_secrets", "user-1")) == "user-1"
