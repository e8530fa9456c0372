"""Log records: every field, and no secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbless_gateway.pdk.log_values import set_log_value
from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.pdk.record import WORKSPACE_ID, Recorder
from dbless_gateway.pdk.redaction import secret_names
from tests.support.plugin_context import (
    FakeContext,
    FakeTls,
    make_consumer,
    make_credential,
    make_env,
    make_route,
    make_service,
)


def _proxied() -> FakeContext:
    ctx = FakeContext(
        "POST",
        "/a?x=1&x=2&f",
        [("Host", "gateway.test"), ("X-A", "1"), ("x-a", "2")],
        route=make_route("r1", service="s1"),
        service=make_service("s1"),
        client_ip="10.0.0.9",
    )
    ctx.consumer = make_consumer("c1", "alice")
    ctx.credential = make_credential("k1", "keyauth_credentials", "c1", key="secret")
    ctx.tries = [{"ip": "10.1.0.1", "port": 80, "balancer_latency": 0}]
    ctx.respond(201, [("Content-Type", "text/plain")])
    return ctx


def test_all_fields() -> None:
    assert json.loads(Recorder(make_env()).json(_proxied())) == {
        "request": {
            "id": "0123456789abcdef0123456789abcdef",
            "uri": "/a?x=1&x=2&f",
            "url": "http://gateway.test:8000/a?x=1&x=2&f",
            "querystring": {"x": ["1", "2"], "f": True},
            "method": "POST",
            "headers": {"host": "gateway.test", "x-a": ["1", "2"]},
            "size": 100,
        },
        "upstream_uri": "/a?x=1&x=2&f",
        "upstream_status": "201",
        "response": {"status": 201, "headers": {"content-type": "text/plain"}, "size": 200},
        "latencies": {"request": 12, "kong": 2, "proxy": 8, "receive": 1},
        "client_ip": "10.0.0.9",
        "started_at": 1_700_000_000_250,
        "source": "upstream",
        "workspace": WORKSPACE_ID,
        "workspace_name": "default",
        "authenticated_entity": {"id": "k1"},
        "route": {
            "id": "r1",
            "name": "all",
            "service": {"id": "s1"},
            "protocols": ["http", "https"],
            "paths": ["/"],
            "regex_priority": 0,
            "strip_path": True,
            "path_handling": "v0",
            "preserve_host": False,
            "https_redirect_status_code": 426,
            "request_buffering": True,
            "response_buffering": True,
            "created_at": 1,
            "updated_at": 1,
            "ws_id": WORKSPACE_ID,
        },
        "tries": [{"ip": "10.1.0.1", "port": 80, "balancer_latency": 0}],
        "service": {
            "id": "s1",
            "name": "api",
            "protocol": "http",
            "host": "target.test",
            "port": 80,
            "retries": 5,
            "connect_timeout": 60000,
            "write_timeout": 60000,
            "read_timeout": 60000,
            "enabled": True,
            "created_at": 1,
            "updated_at": 1,
            "ws_id": WORKSPACE_ID,
        },
        "consumer": {
            "id": "c1",
            "username": "alice",
            "created_at": 0,
            "updated_at": 0,
            "ws_id": WORKSPACE_ID,
        },
    }


def test_a_request_that_matched_nothing() -> None:
    ctx = FakeContext()
    ctx.respond(404)
    ctx.upstream_status, ctx.upstream_uri, ctx.source = None, "", "kong"
    made = Recorder(make_env()).record(ctx)

    assert made["upstream_status"] == ""
    assert not {"route", "service", "tries", "consumer", "authenticated_entity"} & set(made)


@pytest.mark.parametrize(
    ("codes", "last", "expected"),
    [
        ([], 200, "200"),
        ([502], 200, "502, 200"),
        ([502, 504], 201, "502, 504, 201"),
        ([502], None, "502"),
        ([], None, ""),
    ],
)
def test_the_status_of_every_try(codes: list[int], last: int | None, expected: str) -> None:
    ctx = _proxied()
    ctx.tries = [{"ip": "10.1.0.1", "port": 80, "state": "failed", "code": code} for code in codes]
    if last is not None:
        ctx.tries.append({"ip": "10.1.0.2", "port": 80})
    ctx.upstream_status = last

    assert Recorder(make_env()).record(ctx)["upstream_status"] == expected


def test_a_route_without_a_try_and_without_a_service() -> None:
    ctx = FakeContext(route=make_route("r1"))
    ctx.respond(200)
    ctx.upstream_status, ctx.latency_upstream_ms, ctx.source = None, -1, "kong"
    made = json.loads(Recorder(make_env()).json(ctx))

    assert (made["tries"], made["latencies"]["proxy"], made["upstream_status"]) == ([], -1, "")
    assert "service" not in made


def test_tls() -> None:
    ctx = _proxied()
    ctx.tls = FakeTls()

    assert Recorder(make_env()).record(ctx)["request"]["tls"] == {
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "client_verify": "NONE",
    }


def test_secrets_are_redacted() -> None:
    env = make_env()
    recorder = Recorder(env)
    secret_names(env.identities).add("x-my-key")
    ctx = FakeContext(
        target="/?X-My-Key=s3cret&x%2Dmy%2Dkey=s3cret&a=1&x-my-key",
        headers=[
            ("Authorization", "Basic s3cret"),
            ("Proxy-Authorization", "s3cret"),
            ("Cookie", "s3cret"),
            ("apikey", "s3cret"),
            ("X-My-Key", "s3cret"),
        ],
    )
    ctx.respond(200, [("Set-Cookie", "s3cret"), ("Set-Cookie", "s3cret")])
    ctx.upstream_uri = "/up?apikey=s3cret"
    text = recorder.json(ctx).decode()

    assert "s3cret" not in text
    assert json.loads(text)["upstream_uri"] == "/up?apikey=REDACTED"
    assert json.loads(text)["request"]["uri"] == "/?X-My-Key=REDACTED&x%2Dmy%2Dkey=REDACTED&a=1&x-my-key"
    assert json.loads(text)["request"]["headers"]["x-my-key"] == "REDACTED"


def test_what_is_not_unicode_is_escaped() -> None:
    ctx = _proxied()
    ctx.upstream_uri = "/\udcff"

    assert json.loads(Recorder(make_env()).json(ctx))["upstream_uri"] == "/\udcff"
    assert Recorder(make_env()).record(ctx)["upstream_uri"] == "/\udcff"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("correlation_id", "c", {"correlation_id": "c"}),
        ("a.b.c", 1, {"a": {"b": {"c": 1}}}),
        (r"a\.b", 1, {"a.b": 1}),
        ("client_ip", None, {"client_ip": None}),
        ("no.such.field", None, {}),
        ("client_ip.x", 1, {"client_ip": {"x": 1}}),
    ],
)
def test_values_of_other_plugins(path: str, value: Any, expected: dict[str, Any]) -> None:
    ctx = _proxied()
    set_log_value(ctx, path, value)
    made = Recorder(make_env()).record(ctx)

    for name, wanted in expected.items():
        assert made.get(name) == wanted
    assert "no" not in made
    assert json.loads(Recorder(make_env()).json(ctx)) == made


@pytest.mark.parametrize(
    ("path", "mode", "expected"),
    [
        ("client_ip", "set", "new"),
        ("client_ip", "add", "10.0.0.9"),
        ("client_ip", "replace", "new"),
        ("mine", "set", "new"),
        ("mine", "add", "new"),
        ("mine", "replace", None),
        ("service.name", "add", "api"),
        ("service.name", "replace", "new"),
        ("service.mine", "add", "new"),
        ("client_ip.mine", "replace", None),
    ],
)
def test_modes_of_values(path: str, mode: Any, expected: str | None) -> None:
    ctx = _proxied()
    set_log_value(ctx, path, "new", mode)
    found: Any = json.loads(Recorder(make_env()).json(ctx))
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None

    assert found == expected


def test_values_are_put_in_the_order_in_which_they_were_set() -> None:
    ctx = _proxied()
    set_log_value(ctx, "mine", 1, "add")
    set_log_value(ctx, "mine", 2, "add")
    set_log_value(ctx, "mine.below", 3)
    set_log_value(ctx, "other", 4)
    set_log_value(ctx, "other", None)
    made = Recorder(make_env()).record(ctx)

    assert made["mine"] == {"below": 3}
    assert "other" not in made
    assert json.loads(Recorder(make_env()).json(ctx)) == made


def test_new_values_stand_behind_the_others() -> None:
    ctx = _proxied()
    plain = Recorder(make_env()).json(ctx)
    set_log_value(ctx, "correlation_id", 'a"b')
    set_log_value(ctx, "trace_id", {"w3c": "0"}, "add")

    assert Recorder(make_env()).json(ctx) == plain[:-1] + b',"correlation_id":"a\\"b","trace_id":{"w3c":"0"}}'


def test_plugins_of_one_request_share_its_record() -> None:
    ctx = _proxied()
    first = Recorder(make_env()).json(ctx)
    ctx.request_size += 1

    assert Recorder(make_env()).json(ctx) == first


def test_changing_an_entity_does_not_change_later_records() -> None:
    recorder = Recorder(make_env())
    ctx = _proxied()
    set_log_value(ctx, "route.name", "other")

    assert recorder.record(ctx)["route"]["name"] == "other"
    assert recorder.record(_proxied())["route"]["name"] == "all"


def test_custom_fields() -> None:
    recorder = Recorder(
        make_env(),
        {
            "new_field": "return 123",
            "nested.keys": "return 'a' .. 'b';",
            r"escape\.dots": "return true",
            "route": "return nil",
            "agent": 'return kong.request.get_header("x-a")',
            "status": "return kong.response.get_status()",
            "type": "return kong.response.get_header('content-type')",
            "call": "return kong.request.get_method() .. kong.request.get_host()",
            "more": "return kong.request.get_scheme() .. kong.request.get_path()",
            "arg": "return kong.request.get_query_arg('x')",
            "ips": "return kong.client.get_ip() .. kong.client.get_forwarded_ip()",
            "broken": "return nothing.here",
        },
    )
    made = recorder.record(_proxied())

    assert made["new_field"] == 123
    assert made["nested"] == {"keys": "ab"}
    assert made["escape.dots"] is True
    assert "route" not in made
    assert "broken" not in made
    assert (made["agent"], made["status"], made["type"]) == ("1", 201, "text/plain")
    assert made["arg"] == "1"
    assert (made["call"], made["more"], made["ips"]) == (
        "POSTgateway.test",
        "http/a",
        "10.0.0.910.0.0.9",
    )


@pytest.mark.parametrize("code", ["kong.log('x')", "return", "return )", "local x = 1 return x"])
def test_what_is_no_custom_field(code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Recorder(make_env(), {"f": code})

    assert caught.value.field == "custom_fields_by_lua.f"
