"""The cache of verified tokens."""

from __future__ import annotations

from dbless_gateway.pdk.token_cache import TokenCache


def test_the_oldest_is_forgotten_first() -> None:
    cache = TokenCache(2)
    for number, token in enumerate(("a", "b", "a", "c")):
        cache.put(token, number)

    assert [cache.get(token) for token in ("a", "b", "c")] == [None, 1, 3]


def test_without_capacity_nothing_is_kept() -> None:
    cache = TokenCache(0)
    cache.put("a", 1)

    assert cache.get("a") is None


def test_a_token_that_is_not_text_has_a_digest_too() -> None:
    cache = TokenCache(1)
    cache.put("\udcff", 1)

    assert (cache.get("\udcff"), cache.get("\xff")) == (1, None)
