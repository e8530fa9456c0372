"""Which requests have the same key; the texts that are hashed are those of ``test_proxy_cache.py``."""

from __future__ import annotations

from hashlib import sha256

import pytest

from dbless_gateway.pdk.cache_keys import CacheKeys, storage_key
from tests.support.plugin_context import FakeContext


@pytest.mark.parametrize("length", [10, 400, 511, 512, 513, 4000])
def test_a_long_target_has_a_key_like_any_other(length: int) -> None:
    query = "b=1&a=" + "x" * length

    for _ in range(2):
        key = CacheKeys((), (), ignores_case=False).key(FakeContext(target=f"/p?{query}"))
        text = f"default|GET|GET /p|a={'x' * length}:b=1|"
        assert key.text == sha256(text.encode()).hexdigest()
        assert key.stored == storage_key(key.text)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (CacheKeys((), (), ignores_case=False), "default|GET|GET /P|a=1:b=2|"),
        (CacheKeys((), (), ignores_case=True), "default|GET|get /p|a=1:b=2|"),
        (CacheKeys(("b",), (), ignores_case=False), "default|GET|GET /P|b=2|"),
        (CacheKeys(("b", "a"), (), ignores_case=False), "default|GET|GET /P|b=2:a=1|"),
        (
            CacheKeys((), ("x-b", "x-c", "x-a"), ignores_case=False),
            "default|GET|GET /P|a=1:b=2|x-b=2:x-a=0,1",
        ),
    ],
)
def test_what_is_remembered_is_of_this_configuration(keys: CacheKeys, text: str) -> None:
    ctx = FakeContext(target="/P?b=2&a=1", headers=[("X-A", "1"), ("X-A", "0"), ("X-B", "2")])

    assert keys.key(ctx).text == sha256(text.encode()).hexdigest()


def test_headers_that_vary_are_looked_at_each_time() -> None:
    keys = CacheKeys((), ("x-lang",), ignores_case=False)
    texts = [keys.key(FakeContext(headers=[("X-Lang", lang)])).text for lang in ("en", "de", "en")]

    assert texts[0] == texts[2] != texts[1]
