"""The text of records: what is written once, and what a client must not break."""

from __future__ import annotations

import json

import pytest

from dbless_gateway.pdk import record_text
from dbless_gateway.pdk.record_text import OWN_FIELDS, RecordWriter
from tests.support.plugin_context import FakeContext, make_consumer, make_credential, make_route, make_service


def _exchange(number: int = 0) -> FakeContext:
    ctx = FakeContext(route=make_route(f"r{number}"), service=make_service("s1"))
    ctx.consumer = make_consumer("c1", "alice")
    ctx.credential = make_credential("k1", "keyauth_credentials", "c1", key="secret")
    ctx.respond()
    return ctx


def test_a_record_has_no_other_fields() -> None:
    assert set(json.loads(_exchange().record(RecordWriter(set())))) == OWN_FIELDS


def test_the_memory_of_entities_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_text, "_REMEMBERED_ENTITIES", 2)
    writer = RecordWriter(set())
    records = [json.loads(_exchange(number % 4).record(writer)) for number in range(8)]

    assert [record["route"]["id"] for record in records] == [f"r{number % 4}" for number in range(8)]


@pytest.mark.parametrize("text", ['"', "\\", '","status":200,"', "\x00", "\xe4", "\udcff"])
def test_what_a_client_says_stays_a_text(text: str) -> None:
    ctx = _exchange()
    ctx.raw_path = ctx.upstream_uri = f"/{text}"
    ctx.host, ctx.client_ip = text, f"fe80::1%{text}"
    record = json.loads(ctx.record(RecordWriter(set())))

    assert record["request"]["uri"] == record["upstream_uri"] == f"/{text}"
    assert record["request"]["url"] == f"http://{text}:8000/{text}"
    assert record["client_ip"] == f"fe80::1%{text}"


def test_arguments() -> None:
    ctx = FakeContext(target="/?a=1&a=2&b&Token=x&token=y&c=%22")
    ctx.respond()
    request = json.loads(ctx.record(RecordWriter({"token"})))["request"]

    assert request["querystring"] == {
        "a": ["1", "2"],
        "b": True,
        "Token": "REDACTED",
        "token": "REDACTED",
        "c": '"',
    }
    assert request["uri"] == "/?a=1&a=2&b&Token=REDACTED&token=REDACTED&c=%22"
