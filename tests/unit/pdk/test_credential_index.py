"""Indexes over credentials: built in slices ahead, or at once, with the same content."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from dbless_gateway.pdk.credential_index import SLICE, CredentialIndex
from dbless_gateway.pdk.identity import Consumer, Credential, Identities
from dbless_gateway.plugins import acl, basic_auth, hmac_auth, jwt, key_auth
from tests.support.plugin_context import make_consumer, make_credential

CONSUMER = make_consumer("c", "ann")

Keys = dict[str, tuple[Credential, Consumer | None]]


def add(keys: Keys, credential: Credential, consumer: Consumer | None) -> None:
    if credential.fields["key"] == "bad":
        raise ValueError("bad")
    keys[credential.fields["key"]] = (credential, consumer)


INDEX = CredentialIndex[Keys]("mine", "keyauth_credentials", dict, add)


def keys(*names: str, consumer: str = "c") -> list[Credential]:
    return [make_credential(name, "keyauth_credentials", consumer, key=name) for name in names]


def many(count: int) -> Identities:
    return Identities([CONSUMER], keys(*map(str, range(count))))


def test_it_is_built_when_it_is_first_asked_for() -> None:
    identities = many(3)
    index = INDEX.of(identities)
    assert list(index) == ["0", "1", "2"]
    assert index["1"][1] is CONSUMER
    assert INDEX.of(identities) is index


def test_a_credential_may_have_lost_its_consumer() -> None:
    assert INDEX.of(Identities([], keys("k")))["k"][1] is None


def test_in_slices_it_is_the_same() -> None:
    ahead, at_once = many(1000), many(1000)
    steps = sum(1 for _ in INDEX.build_steps(ahead))
    assert ahead.has_index("mine")
    assert INDEX.of(ahead).keys() == INDEX.of(at_once).keys()
    assert steps >= 1000 // SLICE


def test_it_is_not_built_twice() -> None:
    identities = many(1000)
    index = INDEX.of(identities)
    assert list(INDEX.build_steps(identities)) == []
    assert INDEX.of(identities) is index


def test_of_a_bad_credential_nothing_is_kept() -> None:
    identities = Identities([], keys("good", "bad"))
    with pytest.raises(ValueError, match="bad"):
        list(INDEX.build_steps(identities))
    assert not identities.has_index("mine")


def fields(number: int) -> dict[str, Any]:
    name = str(number)
    return {"key": name, "username": name, "password": name, "secret": name, "group": name}


@pytest.mark.parametrize(
    ("plugin", "kind"),
    [
        (key_auth, "keyauth_credentials"),
        (basic_auth, "basicauth_credentials"),
        (hmac_auth, "hmacauth_credentials"),
        (jwt, "jwt_secrets"),
        (acl, "acls"),
    ],
)
def test_a_turn_takes_no_more_than_a_slice(plugin: ModuleType, kind: str) -> None:
    """Counted in credentials and not in time: 10,000 of them at once are a turn of 15 ms."""
    credentials = [make_credential(str(n), kind, str(n), **fields(n)) for n in range(1000)]
    identities = Identities([make_consumer(str(n)) for n in range(1000)], credentials)
    assert sum(1 for _ in plugin.INDEX.build_steps(identities)) == 1000 // SLICE
    index = plugin.INDEX.of(identities)
    assert len(index if isinstance(index, dict) else index.tables[0]) == 1000
    # All that grew with the configuration can be taken apart in slices, too: index, credentials, consumers.
    assert [len(table) for table in identities.tables() if table] == [1000, 1000, 1000]
