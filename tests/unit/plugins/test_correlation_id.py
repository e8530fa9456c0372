"""correlation-id, row by row of its page."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from dbless_gateway.pdk.record import Recorder
from dbless_gateway.plugins import correlation_id
from tests.support.plugin_context import FakeContext, make_env, make_handler

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def make(
    generator: str = "uuid#counter", echo: bool = False, header_name: str | None = "Kong-Request-ID"
) -> Any:
    config = {"header_name": header_name, "generator": generator, "echo_downstream": echo}
    return make_handler(correlation_id, config)


@pytest.mark.parametrize(
    ("generator", "pattern"),
    [
        ("uuid", UUID),
        ("uuid#counter", UUID + "#1"),
        ("tracker", rf"127\.0\.0\.1-8000-{os.getpid()}-7-1-1700000000\.250"),
    ],
)
def test_generators(generator: str, pattern: str) -> None:
    ctx = FakeContext()
    make(generator).access(ctx)

    assert re.fullmatch(pattern, ctx.upstream.headers.get("Kong-Request-ID") or "")


def test_random_ids_are_all_different() -> None:
    handler = make("uuid")
    ids = set()
    for _ in range(200):  # More than are drawn at once.
        ctx = FakeContext()
        handler.access(ctx)
        ids.add(ctx.upstream.headers.get("Kong-Request-ID") or "")

    assert len(ids) == 200
    assert all(re.fullmatch(UUID, value) for value in ids)


def test_the_counter_counts() -> None:
    handler = make()
    contexts = [FakeContext() for _ in range(3)]
    for ctx in contexts:
        handler.access(ctx)
    ids = [ctx.upstream.headers.get("Kong-Request-ID") or "" for ctx in contexts]

    assert [value.partition("#")[2] for value in ids] == ["1", "2", "3"]
    assert len({value.partition("#")[0] for value in ids}) == 1


def test_the_clients_id_is_kept() -> None:
    ctx = FakeContext(headers=[("kong-request-id", "mine")])
    make(echo=True).access(ctx)
    ctx.respond()
    make(echo=True).header_filter(ctx)

    assert ctx.upstream.headers.get_all("Kong-Request-ID") == ["mine"]
    assert ctx.response.headers.get("Kong-Request-ID") == "mine"


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_id_counts_as_none(value: str) -> None:
    ctx = FakeContext(headers=[("X-Id", value)])
    make(header_name="X-Id").access(ctx)

    assert ctx.upstream.headers.get_all("X-Id")[0].endswith("#1")


def test_echo() -> None:
    handler = make(echo=True)
    ctx = FakeContext()
    handler.access(ctx)
    ctx.respond()
    handler.header_filter(ctx)

    assert ctx.response.headers.get("Kong-Request-ID") == ctx.upstream.headers.get("Kong-Request-ID")


def test_echo_when_access_never_ran() -> None:
    ctx = FakeContext()
    ctx.respond(404)
    make(echo=True).header_filter(ctx)

    assert re.fullmatch(UUID + "#1", ctx.response.headers.get("Kong-Request-ID") or "")


def test_no_echo_by_default() -> None:
    assert not hasattr(make(), "header_filter")


def test_the_log_knows_it() -> None:
    ctx = FakeContext(headers=[("Kong-Request-ID", "mine")])
    make().access(ctx)
    ctx.respond()

    assert Recorder(make_env()).record(ctx)["correlation_id"] == "mine"


def test_a_null_header_name_is_the_default() -> None:
    ctx = FakeContext()
    make(header_name=None).access(ctx)

    assert ctx.upstream.headers.get("kong-request-id")
