"""key-auth, row by row of its page."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from dbless_gateway.pdk.plugin import PluginEnv
from dbless_gateway.plugins import key_auth
from tests.support.plugin_context import (
    START,
    FakeContext,
    FakeHost,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
)

DEFAULTS: dict[str, Any] = {
    "key_names": ["apikey"],
    "hide_credentials": False,
    "anonymous": None,
    "key_in_header": True,
    "key_in_query": True,
    "key_in_body": False,
    "run_on_preflight": True,
    "realm": None,
}
KIND = "keyauth_credentials"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=B")
PARTS = (
    b'--B\r\nContent-Disposition: form-data; name="apikey"\r\n\r\nsecret\r\n'
    b'--B\r\nContent-Disposition: form-data; name="b"\r\n\r\n1\r\n--B--\r\n'
)
TWO_NAMES = {"key_names": ["one", "two"], "key_in_body": True}
NOWHERE = {"key_in_header": False, "key_in_query": False}


@pytest.fixture
def env() -> PluginEnv:
    alice, nobody = make_consumer("id-alice", "alice", "a-1"), make_consumer("id-nobody", "nobody")
    credentials = [
        make_credential("id-key", KIND, "id-alice", key="secret"),
        make_credential("id-utf8", KIND, "id-alice", key="schlüssel"),
        make_credential("id-ended", KIND, "id-alice", key="ended", ttl=START - 1),
        make_credential("id-fresh", KIND, "id-alice", key="fresh", ttl=START + 1),
        make_credential("id-hashed", KIND, "id-alice", key="sha256:" + sha256(b"hidden").hexdigest()),
        make_credential("id-short", KIND, "id-alice", key="sha256:abc"),
        make_credential("id-orphan", KIND, "id-gone", key="orphan"),
    ]
    return make_env(FakeHost(), consumers=[alice, nobody], credentials=credentials)


def run(env: PluginEnv, config: dict[str, Any], ctx: FakeContext) -> tuple[int, str]:
    """Return (0, credential id) on success, else status and the first line of the plain body."""
    ctx.headers.add("Accept", "text/plain")
    reply = make_handler(key_auth, DEFAULTS | config, env).access(ctx)
    if reply is not None:
        return reply.status, reply.body.decode().partition("\n")[0]
    return 0, ctx.credential.id if ctx.credential else ""


@pytest.mark.parametrize(
    ("config", "target", "headers", "body", "expected"),
    [
        ({}, "/", [("apikey", "secret")], b"", (0, "id-key")),
        ({}, "/", [("ApiKey", "secret")], b"", (0, "id-key")),
        ({"key_names": ["api_key"]}, "/", [("api-key", "secret")], b"", (0, "id-key")),
        ({"key_names": ["api-key"]}, "/", [("api_key", "secret")], b"", (0, "id-key")),
        ({"key_names": ["one", "two"]}, "/", [("two", "secret")], b"", (0, "id-key")),
        ({"key_names": ["one", "two"]}, "/", [("two", "secret"), ("one", "bad")], b"", (401, "Unauthorized")),
        ({}, "/?apikey=secret", [], b"", (0, "id-key")),
        ({}, "/?api%6Bey=secret", [], b"", (0, "id-key")),
        ({}, "/?apikey=bad", [("apikey", "secret")], b"", (0, "id-key")),
        ({"key_in_query": False}, "/?apikey=secret", [], b"", (401, "No API key found in request")),
        ({"key_in_header": False}, "/", [("apikey", "secret")], b"", (401, "No API key found in request")),
        ({}, "/", [], b"", (401, "No API key found in request")),
        ({}, "/", [("apikey", "")], b"", (401, "No API key found in request")),
        ({}, "/?apikey", [], b"", (401, "No API key found in request")),
        ({}, "/?apikey=", [], b"", (401, "No API key found in request")),
        ({}, "/", [("apikey", "nope")], b"", (401, "Unauthorized")),
        ({}, "/", [("apikey", "x" * 100_000)], b"", (401, "Unauthorized")),
        ({}, "/", [("apikey", "secret"), ("apikey", "secret")], b"", (401, "Duplicate API key found")),
        ({}, "/?apikey=secret&apikey=secret", [], b"", (401, "Duplicate API key found")),
        ({}, "/", [("apikey", "schlüssel".encode().decode("latin-1"))], b"", (0, "id-utf8")),
        ({}, "/", [("apikey", "schl\xfcssel")], b"", (401, "Unauthorized")),
        ({}, "/?apikey=schl%C3%BCssel", [], b"", (0, "id-utf8")),
        ({}, "/", [("apikey", "hidden")], b"", (0, "id-hashed")),
        ({}, "/", [("apikey", "sha256:" + sha256(b"hidden").hexdigest())], b"", (401, "Unauthorized")),
        ({}, "/", [("apikey", "sha256:abc")], b"", (0, "id-short")),
        ({}, "/", [("apikey", "ended")], b"", (401, "Unauthorized")),
        ({}, "/", [("apikey", "fresh")], b"", (0, "id-fresh")),
        ({}, "/", [("apikey", "orphan")], b"", (500, "An unexpected error occurred")),
        ({"key_in_body": True}, "/", [FORM], b"a=1&apikey=secret", (0, "id-key")),
        ({"key_in_body": True}, "/", [JSON], b'{"apikey":"secret"}', (0, "id-key")),
        ({"key_in_body": True}, "/", [JSON], b'{"apikey":5}', (401, "No API key found in request")),
        ({"key_in_body": True}, "/", [JSON], b'{"apikey":["secret"]}', (401, "Duplicate API key found")),
        ({"key_in_body": True}, "/", [JSON], b"{not json", (401, "No API key found in request")),
        ({"key_in_body": True}, "/", [FORM], b"apikey=a&apikey=b", (401, "Duplicate API key found")),
        ({"key_in_body": True}, "/", [FORM], b"apikey[]=secret", (401, "No API key found in request")),
        (
            {"key_in_body": True},
            "/",
            [("Content-Type", "text/plain")],
            b"apikey=secret",
            (401, "No API key found in request"),
        ),
        ({"key_in_body": True}, "/", [FORM, ("apikey", "fresh")], b"apikey=secret", (0, "id-fresh")),
        ({"key_in_body": True}, "/?apikey=fresh", [FORM], b"apikey=secret", (0, "id-fresh")),
        ({"key_in_body": True}, "/?apikey=bad", [FORM, ("apikey", "fresh")], b"apikey=no", (0, "id-fresh")),
        # The order is by name first, and only a value that is a text ends the search.
        (TWO_NAMES, "/?one=fresh", [("two", "secret")], b"", (0, "id-fresh")),
        (TWO_NAMES, "/?one", [("two", "secret")], b"", (0, "id-key")),
        (TWO_NAMES, "/", [JSON], b'{"one":true,"two":"secret"}', (0, "id-key")),
        (TWO_NAMES, "/", [JSON], b'{"one":null,"two":"secret"}', (0, "id-key")),
        (TWO_NAMES, "/", [("one", ""), ("two", "secret")], b"", (401, "No API key found in request")),
        (
            TWO_NAMES,
            "/",
            [("one", "a"), ("one", "b"), ("two", "secret")],
            b"",
            (401, "Duplicate API key found"),
        ),
        ({"key_in_body": True}, "/", [JSON], b'[{"apikey":"secret"}]', (401, "No API key found in request")),
        ({"key_in_body": True}, "/", [JSON], b'"apikey"', (401, "No API key found in request")),
        ({"key_in_body": True}, "/", [], b"apikey=secret", (401, "No API key found in request")),
        ({"key_in_body": True}, "/", [FORM], b"apikey[1]=secret", (401, "No API key found in request")),
        ({"key_in_body": True}, "/", [FORM], b"apikey=", (401, "No API key found in request")),
        ({"key_in_body": True}, "/", [MULTIPART], PARTS, (0, "id-key")),
        ({"key_in_body": True}, "/", [MULTIPART], PARTS[:-8], (401, "No API key found in request")),
        ({"key_in_body": True}, "/", [MULTIPART], b"--B\r\n\r\n", (401, "No API key found in request")),
        (NOWHERE, "/?apikey=secret", [("apikey", "secret")], b"", (401, "No API key found in request")),
        ({}, "/", [FORM], b"apikey=secret", (401, "No API key found in request")),
    ],
)
def test_finding_the_key(
    env: PluginEnv,
    config: dict[str, Any],
    target: str,
    headers: list[tuple[str, str]],
    body: bytes,
    expected: tuple[int, str],
) -> None:
    assert run(env, config, FakeContext("POST", target, headers, body)) == expected


def test_the_consumer_is_named_to_the_target(env: PluginEnv) -> None:
    ctx = FakeContext(headers=[("apikey", "secret"), ("X-Anonymous-Consumer", "true")])
    run(env, {}, ctx)

    assert dict(ctx.upstream.headers.items()) == {
        "apikey": "secret",
        "X-Consumer-ID": "id-alice",
        "X-Consumer-Username": "alice",
        "X-Consumer-Custom-ID": "a-1",
        "X-Credential-Identifier": "id-key",
    }


@pytest.mark.parametrize(
    ("realm", "expected"), [(None, "Key"), ("api", 'Key realm="api"')], ids=["no realm", "realm"]
)
@pytest.mark.parametrize("headers", [[], [("apikey", "nope")], [("apikey", "a"), ("apikey", "b")]])
def test_every_401_challenges(
    env: PluginEnv, realm: str | None, expected: str, headers: list[tuple[str, str]]
) -> None:
    reply = make_handler(key_auth, DEFAULTS | {"realm": realm}, env).access(FakeContext(headers=headers))

    assert reply.status == 401
    assert dict(reply.headers)["WWW-Authenticate"] == expected


@pytest.mark.parametrize("key", ["secret", "nope"])
def test_hidden_credentials_do_not_reach_the_target(env: PluginEnv, key: str) -> None:
    config = {"hide_credentials": True, "key_in_body": True}
    ctx = FakeContext("POST", f"/?z=valu%651&api%6Bey={key}&a", [("apikey", key), FORM], b"apikey=x&b=1")
    run(env, config, ctx)

    assert ctx.upstream.headers.get("apikey") is None
    assert ctx.upstream.query == "z=value1&a"
    assert ctx.upstream.body == b"b=1"


@pytest.mark.parametrize(
    ("content_type", "body", "left"),
    [
        (FORM, b"b=1&apikey=secret&c=2", b"b=1&c=2"),
        (JSON, b'{"b":[1],"apikey":"secret"}', b'{"b":[1]}'),
        (MULTIPART, PARTS, b'--B\r\nContent-Disposition: form-data; name="b"\r\n\r\n1\r\n--B--\r\n'),
        (("Content-Type", "text/plain"), b"apikey=secret", None),
        (JSON, b"{", None),
    ],
)
def test_a_hidden_key_leaves_a_body_of_the_same_type(
    env: PluginEnv, content_type: tuple[str, str], body: bytes, left: bytes | None
) -> None:
    ctx = FakeContext("POST", "/", [content_type, ("apikey", "secret")], body)
    run(env, {"hide_credentials": True, "key_in_body": True}, ctx)

    assert ctx.upstream.body == left
    assert ctx.upstream.headers.get("Content-Type") == content_type[1]


def test_only_the_name_that_was_found_is_hidden(env: PluginEnv) -> None:
    ctx = FakeContext("GET", "/?two=1&api_key=2&x=a%20b", [("api-key", "secret"), ("two", "3")])
    run(env, {"hide_credentials": True, "key_names": ["api_key", "two"]}, ctx)

    assert ctx.upstream.headers.get("api-key") is None
    assert ctx.upstream.headers.get("two") == "3"
    assert ctx.upstream.query == "two=1&x=a%20b"


def test_without_hiding_the_request_is_untouched(env: PluginEnv) -> None:
    ctx = FakeContext(target="/?b=%61&apikey=secret")
    run(env, {}, ctx)

    assert (ctx.upstream.query, ctx.upstream.body) == ("b=%61&apikey=secret", None)


def test_preflight_may_pass_untouched(env: PluginEnv) -> None:
    assert run(env, {"run_on_preflight": False}, FakeContext("OPTIONS")) == (0, "")
    assert run(env, {}, FakeContext("OPTIONS"))[0] == 401
    assert run(env, {"run_on_preflight": False}, FakeContext("GET"))[0] == 401


def test_anonymous(env: PluginEnv) -> None:
    ctx = FakeContext()

    assert run(env, {"anonymous": "nobody"}, ctx) == (0, "")
    assert ctx.consumer is not None
    assert ctx.consumer.id == "id-nobody"
    assert run(env, {"anonymous": "nobody"}, FakeContext(headers=[("apikey", "orphan")])) == (0, "")


def test_the_body_is_buffered_only_when_it_is_searched(env: PluginEnv) -> None:
    assert make_handler(key_auth, DEFAULTS, env).needs_request_body is False
    assert make_handler(key_auth, DEFAULTS | {"key_in_body": True}, env).needs_request_body is True


def test_a_body_over_the_buffer_counts_as_empty(env: PluginEnv) -> None:
    ctx = FakeContext("POST", "/", [FORM])
    ctx.request_body = None

    assert run(env, {"key_in_body": True}, ctx) == (401, "No API key found in request")


def test_grpc(env: PluginEnv) -> None:
    reply = make_handler(key_auth, DEFAULTS, env).access(
        FakeContext(headers=[("content-type", "application/grpc")])
    )

    assert dict(reply.headers) == {
        "grpc-status": "16",
        "grpc-message": "Unauthenticated",
        "WWW-Authenticate": "Key",
    }
