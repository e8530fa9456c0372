"""``anonymous_on`` of every plugin that authenticates: wrong credentials are not the same as none."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from dbless_gateway.plugins import basic_auth, hmac_auth, jwt, key_auth
from tests.support.plugin_context import FakeContext, make_consumer, make_credential, make_env, make_handler

CONFIGS: dict[Any, dict[str, Any]] = {
    basic_auth: {"hide_credentials": True, "realm": "service"},
    hmac_auth: {"hide_credentials": True, "validate_request_body": False},
    jwt: {"run_on_preflight": True, "secret_is_base64": False, "uri_param_names": ["jwt"]},
    key_auth: {
        "key_names": ["apikey", "x-key"],
        "hide_credentials": True,
        "key_in_header": True,
        "key_in_query": True,
        "key_in_body": True,
        "run_on_preflight": True,
    },
}
ENV = make_env(consumers=[make_consumer("c1", "nobody")])
BASIC = "Basic " + b64encode(b"a:b").decode()
HMAC = 'hmac username="a", algorithm="hmac-sha1", headers="date", signature="x"'
FORM = ("Content-Type", "application/x-www-form-urlencoded")


def ask(plugin: Any, headers: list[tuple[str, str]], target: str, anonymous_on: str | None) -> str:
    ctx = FakeContext("POST", target, headers, b"apikey=x" if FORM in headers else b"")
    config = CONFIGS[plugin] | {"anonymous": "nobody", "anonymous_on": anonymous_on}
    reply = make_handler(plugin, config, ENV).access(ctx)
    if reply is not None:
        return str(reply.status)
    return ctx.consumer.username or "" if ctx.consumer else "nobody at all"


@pytest.mark.parametrize(
    ("plugin", "headers", "target", "answer"),
    [
        (basic_auth, [], "/", "nobody"),
        (basic_auth, [("Authorization", "Bearer x")], "/", "nobody"),
        (basic_auth, [("Authorization", BASIC)], "/", "401"),
        (basic_auth, [("Proxy-Authorization", BASIC)], "/", "401"),
        (basic_auth, [("Authorization", "Basic !!!")], "/", "401"),
        (hmac_auth, [], "/", "nobody"),
        (hmac_auth, [("Authorization", BASIC)], "/", "nobody"),
        (hmac_auth, [("Authorization", HMAC)], "/", "401"),
        (hmac_auth, [("Proxy-Authorization", "hmac")], "/", "401"),
        (jwt, [], "/", "nobody"),
        (jwt, [("Authorization", BASIC)], "/", "nobody"),
        (jwt, [("Authorization", "Bearer x")], "/", "401"),
        (jwt, [], "/?jwt=x", "401"),
        (key_auth, [], "/", "nobody"),
        (key_auth, [("apikey", "")], "/?apikey", "nobody"),
        (key_auth, [("x-key", "x")], "/", "401"),
        (key_auth, [], "/?x-key=x", "401"),
        (key_auth, [("apikey", "x"), ("apikey", "y")], "/", "401"),
        (key_auth, [FORM], "/", "401"),
    ],
)
def test_missing_and_wrong(plugin: Any, headers: list[tuple[str, str]], target: str, answer: str) -> None:
    assert ask(plugin, headers, target, "missing") == answer
    assert ask(plugin, headers, target, "failure") == "nobody"
    assert ask(plugin, headers, target, None) == "nobody"


def test_right_credentials_and_an_earlier_plugin() -> None:
    """Several plugins still mean OR: whoever is identified passes the others."""
    env = make_env(
        consumers=[make_consumer("c1", "nobody"), make_consumer("c2", "alice")],
        credentials=[make_credential("k", "keyauth_credentials", "c2", key="right")],
    )
    extra = {"anonymous": "nobody", "anonymous_on": "missing"}
    ctx = FakeContext(headers=[("apikey", "right")])

    assert make_handler(key_auth, CONFIGS[key_auth] | extra, env).access(ctx) is None
    assert make_handler(basic_auth, CONFIGS[basic_auth] | extra, env).access(ctx) is None
    assert ctx.consumer is not None
    assert ctx.consumer.username == "alice"
