"""Counters in a real Redis: exact, with expiry, and never a hung request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dbless_gateway.pdk.config import build_config
from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.pdk.redis_store import (
    RedisConfig,
    RedisStore,
    RedisUnavailable,
    SyncedCounters,
    check_redis,
)
from tests.support.authority import Authority
from tests.support.certificates import self_signed, self_signed_pem
from tests.support.plugin_context import FakeHost, make_env
from tests.support.redis_server import direct, free_port, running_redis
from tests.support.sinks import HttpSink


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running_redis() as number:
        yield number


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    if "port" in request.fixturenames:
        with direct(request.getfixturevalue("port")) as client:
            client.flushall()


def config(number: int, **changes: Any) -> RedisConfig:
    return build_config(
        RedisConfig, {"host": "127.0.0.1", "port": number, "timeout": 2000, "database": 0} | changes
    )


def with_store(
    settings: RedisConfig, use: Callable[[RedisStore], Awaitable[Any]], trusted_file: str | None = None
) -> Any:
    async def scenario() -> Any:
        store = RedisStore(settings, trusted_file)
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(scenario())


def test_counts_before_and_expiry(port: int) -> None:
    async def use(store: RedisStore) -> Any:
        first = await store.count(["a", "b"], [60, 3600])
        second = await store.count(["a", "c"], [60, 1])
        return first, second, await store.read(["a", "b", "c", "d"])

    assert with_store(config(port), use) == ([0, 0], [1, 0], [2, 1, 1, 0])
    with direct(port) as client:
        assert (client.ttl("a"), client.ttl("b")) == (60, 3600)


def test_add(port: int) -> None:
    async def use(store: RedisStore) -> Any:
        await store.add([("a", 5, 60)])
        await store.add([("a", 2, 9999), ("b", 1, 3600)])
        return await store.read(["a", "b"])

    assert with_store(config(port), use) == [7, 1]
    with direct(port) as client:
        assert (client.ttl("a"), client.ttl("b")) == (60, 3600)


def test_concurrent_counting_is_exact(port: int) -> None:
    async def use(store: RedisStore) -> Any:
        results = await asyncio.gather(*(store.count(["k"], [60]) for _ in range(300)))
        return sorted(before for (before,) in results)

    assert with_store(config(port), use) == list(range(300))


def test_database_password_and_user(port: int) -> None:
    with direct(port) as client:
        client.execute_command("ACL", "SETUSER", "gateway", "on", ">secret", "~*", "+@all")

    async def count(store: RedisStore) -> Any:
        return await store.count(["k"], [60])

    assert with_store(config(port, username="gateway", password="secret", database=3), count) == [0]
    with direct(port, 3) as client:
        assert client.get("k") == b"1"
    with pytest.raises(RedisUnavailable, match="username-password"):
        with_store(config(port, username="gateway", password="wrong"), count)


async def _count_once(store: RedisStore) -> Any:
    return await store.count(["k"], [60])


@pytest.mark.parametrize("server_name", [None, "redis.test"])
def test_tls(tmp_path: Path, server_name: str | None) -> None:
    pem = tmp_path / "both.pem"
    pem.write_bytes(self_signed_pem())
    with running_redis(pem=pem) as number:
        tls = {"ssl": True, "ssl_verify": False, "server_name": server_name}
        assert with_store(config(number, **tls), _count_once) == [0]
        with pytest.raises(RedisUnavailable, match=r"(?i)certificate.verify.failed"):
            with_store(config(number, **(tls | {"ssl_verify": True})), _count_once)


@pytest.mark.parametrize(("names", "expected"), [(("redis.test",), [0]), (("other.test",), None)])
def test_tls_is_verified_by_the_nodes_authorities(
    tmp_path: Path, names: tuple[str, ...], expected: list[int] | None
) -> None:
    authority = Authority()
    issued = authority.issue(*names)
    (tmp_path / "server.pem").write_text(issued.key + issued.cert)
    (tmp_path / "authorities.pem").write_text(authority.cert)
    with running_redis(pem=tmp_path / "server.pem") as number:
        settings = config(number, ssl=True, ssl_verify=True, server_name="redis.test")
        trusted_file = str(tmp_path / "authorities.pem")
        if expected is None:
            with pytest.raises(RedisUnavailable, match="Hostname mismatch"):
                with_store(settings, _count_once, trusted_file)
        else:
            assert with_store(settings, _count_once, trusted_file) == expected
        with pytest.raises(RedisUnavailable):
            with_store(config(number, timeout=200), _count_once)


def test_the_server_name_is_sent() -> None:
    names: list[str | None] = []
    context = self_signed.__wrapped__()
    context.sni_callback = lambda _, name, __: names.append(name)

    async def scenario() -> None:
        async with HttpSink(b"", tls=context) as sink:
            store = RedisStore(config(sink.port, ssl=True, server_name="redis.test", timeout=300))
            with pytest.raises(RedisUnavailable):
                await store.count(["k"], [60])
            await store.close()

    asyncio.run(scenario())
    assert set(names) == {"redis.test"}


def test_nobody_listens() -> None:
    with pytest.raises(RedisUnavailable):
        with_store(config(free_port()), _count_once)


def test_a_server_that_says_nothing() -> None:
    async def scenario() -> None:
        async with HttpSink(b"") as sink:
            store = RedisStore(config(sink.port, timeout=50))
            with pytest.raises(RedisUnavailable):
                await store.count(["k"], [60])
            await store.close()

    asyncio.run(scenario())


def test_a_full_server(port: int) -> None:
    with direct(port) as client:
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(RedisUnavailable, match="maxmemory"):
                with_store(config(port), _count_once)
        finally:
            client.config_set("maxmemory", "0")


def test_a_restarted_server_is_found_again() -> None:
    number = free_port()

    async def scenario() -> list[Any]:
        store = RedisStore(config(number))
        seen: list[Any] = []
        for _ in range(2):
            with running_redis(number):
                seen.append(await store.count(["k"], [60]))
        with pytest.raises(RedisUnavailable):
            await store.count(["k"], [60])
        await store.close()
        return seen

    assert asyncio.run(scenario()) == [[0], [0]]


def test_stores_of_one_configuration_are_shared() -> None:
    host = FakeHost()
    first, same, other = (
        RedisStore.of(config(1, password=password), make_env(host)) for password in ("a", "a", "b")
    )

    assert first is same is not other
    assert not any("password" in name or "'a'" in name for name in host.resources)


@pytest.mark.parametrize("missing", ["host", "port", "timeout"])
def test_what_the_policy_needs(missing: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_redis(config(1, **{missing: None}))

    assert (caught.value.field, caught.value.message) == (f"redis.{missing}", "required field missing")


def test_synced_counters(port: int) -> None:
    async def use(store: RedisStore) -> Any:
        here, there = SyncedCounters(store, 3600), SyncedCounters(store, 3600)
        seen = []
        for counters in (here, here, there):
            seen.append(await counters.read(["k"]))
            counters.count(["k"], [60])
        await here.close()
        await there.close()
        seen.append(await SyncedCounters(store, 3600).read(["k"]))
        return seen

    assert with_store(config(port), use) == [[0], [1], [0], [3]]
    with direct(port) as client:
        assert client.ttl("k") == 60


def test_synced_counters_sync_by_themselves(port: int) -> None:
    async def use(store: RedisStore) -> Any:
        counters = SyncedCounters(store, 0.001)
        counters.count(["k"], [60])
        async with asyncio.timeout(60):
            while await store.read(["k"]) == [0]:
                pass
        return await counters.read(["k"])

    assert with_store(config(port), use) == [1]


def test_what_cannot_be_synced_is_forgotten() -> None:
    async def use(store: RedisStore) -> None:
        counters = SyncedCounters(store, 3600)
        counters.count(["k"], [60])
        await counters.close()
        await SyncedCounters(store, 3600).close()

    with_store(config(free_port()), use)
