"""The fakes for plugin authors behave as what they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.pdk.reply import Reply
from dbless_gateway.pdk.testing import START, FakeContext, FakeHost, make_env, make_handler


@dataclass(frozen=True, slots=True)
class Config:
    text: str
    names: tuple[str, ...] = ("a",)
    limit: int | None = None


class Handler:
    def __init__(self, config: Config, env: PluginEnv) -> None:
        self.config, self.env = config, env


PLUGIN = SimpleNamespace(NAME="test", Config=Config, Handler=Handler)


def test_config_is_completed() -> None:
    assert make_handler(PLUGIN, {"text": "x"}).config == Config("x", ("a",), None)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "text: required field missing"),
        ({"text": 1}, "text: expected a string"),
        ({"x": 1}, "x: unknown"),
    ],
)
def test_config_that_no_file_could_have_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_handler(PLUGIN, config)


def test_counters_count_until_the_window_ends() -> None:
    host = FakeHost()
    counters = make_env(host).host.counters
    assert [counters.increment("k", 1, 2, START + 10) for _ in range(3)] == [0, 1, 2]
    assert counters.read("k") == 2
    assert counters.increment("k", -5, None, START + 10) == 2
    assert counters.read("k") == 0
    counters.increment("k", 1, None, START + 10)
    host.clock += 10
    assert counters.read("k") == 0


def test_cache_forgets() -> None:
    host = FakeHost()
    assert host.cache.put(b"k", b"v", 5)
    assert host.cache.get(b"k") == b"v"
    host.clock += 5
    assert host.cache.get(b"k") is None
    assert host.cache.delete(b"k")
    assert not host.cache.delete(b"k")
    assert not host.cache.put(b"k", b"x" * (host.cache.entry_limit_bytes + 1), 5)
    host.cache.put(b"k", b"v", 5)
    host.cache.clear()
    assert host.cache.get(b"k") is None


def test_host_lends() -> None:
    host = FakeHost()
    assert host.resource("r", list) is host.resource("r", list)
    assert host.secret("a") == host.secret("a") != host.secret("b")
    assert len(host.secret("a")) == 32
    host.metrics.counter("hits", (("a", "b"),))(3)
    assert host.metrics.counts == {("hits", (("a", "b"),)): [3]}

    async def send(entries: object) -> None:
        """Send nothing."""

    host.queue("q", {}, send).put("entry")
    assert host.queues["q"].entries == ["entry"]


def test_reply_starts_a_response() -> None:
    ctx = FakeContext("GET", "/?a=1&b")
    assert ctx.query_args() == {"a": ["1"], "b": [True]}
    ctx.set_response_header("X-One", "1")
    response = ctx.respond_with(Reply(403, b"", (("X-Two", "2"),)))
    assert (response.status, response.headers.get("x_one"), response.headers.get("X-Two")) == (403, "1", "2")
    assert ctx.source == "kong"
