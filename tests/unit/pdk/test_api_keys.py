"""Keys are found whatever their hashes are."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from math import inf

import pytest

from dbless_gateway.pdk.api_keys import KeyIndex
from tests.support.plugin_context import make_consumer, make_credential

ALICE = make_consumer("id-alice", "alice")
KEYS = ("one", "two", "three", "sch\xf6n")


def _same(key: bytes) -> int:
    return 1


@pytest.mark.parametrize("hash_of", [hash, len, _same])
def test_keys_of_the_same_hash_are_told_apart(hash_of: Callable[[bytes], int]) -> None:
    index = KeyIndex(hash_of)
    for key in KEYS:
        index.add(make_credential(f"id-{key}", "keyauth_credentials", "id-alice", key=key), ALICE)

    for key in KEYS:
        known = index.find(key.encode())
        assert known is not None
        assert known.credential.id == f"id-{key}"
    for guess in (b"", b"on", b"onf", b"sch\xf6n", b"sixteen"):
        assert index.find(guess) is None


def test_a_key_of_which_only_the_digest_is_known() -> None:
    index = KeyIndex()
    digest = sha256(b"secret").hexdigest()
    index.add(make_credential("id", "keyauth_credentials", "id-alice", key=f"sha256:{digest}"), ALICE)

    known = index.find(b"secret")
    assert known is not None
    assert known.consumer is ALICE
    assert index.find(f"sha256:{digest}".encode()) is None


@pytest.mark.parametrize(
    ("fields", "ends_at"), [({}, inf), ({"ttl": None}, inf), ({"ttl": 1700000000}, 1.7e9)]
)
def test_when_a_key_ends(fields: dict[str, int | None], ends_at: float) -> None:
    index = KeyIndex()
    index.add(make_credential("id", "keyauth_credentials", "nobody", key="k", **fields), None)

    known = index.find(b"k")
    assert known is not None
    assert known.ends_at == ends_at
    assert known.consumer is None
