"""basic-auth, row by row of its page."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from typing import Any

import pytest

from dbless_gateway.plugins import basic_auth
from tests.support.plugin_context import FakeContext, make_consumer, make_credential, make_env, make_handler

KIND = "basicauth_credentials"


def _digest(password: str, consumer_id: str) -> str:
    return sha1((password + consumer_id).encode()).hexdigest()


def _basic(text: str | bytes, scheme: str = "Basic ") -> str:
    return scheme + b64encode(text.encode() if isinstance(text, str) else text).decode()


ENV = make_env(
    consumers=[make_consumer("c1", "alice"), make_consumer("c2", "nobody")],
    credentials=[
        make_credential("b1", KIND, "c1", username="alice", password=_digest("pa:ss", "c1")),
        make_credential("b2", KIND, "c1", username="empty", password=_digest("", "c1")),
        make_credential("b3", KIND, "gone", username="orphan", password=_digest("x", "gone")),
    ],
)
DEFAULTS: dict[str, Any] = {"anonymous": None, "hide_credentials": False, "realm": "service"}


def run(config: dict[str, Any], headers: list[tuple[str, str]]) -> tuple[int, FakeContext]:
    ctx = FakeContext(headers=headers)
    reply = make_handler(basic_auth, DEFAULTS | config, ENV).access(ctx)
    return (reply.status if reply else 0), ctx


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        ([("Authorization", _basic("alice:pa:ss"))], 0),
        ([("Authorization", _basic("alice:pa:ss", "basic "))], 0),
        ([("Authorization", _basic("alice:pa:ss", "Basic"))], 0),
        ([("Authorization", _basic("alice:pa:ss", "BASIC "))], 401),
        ([("Authorization", _basic("alice:pa:ss", "Digest "))], 401),
        ([("Authorization", _basic("alice:pa:ss").rstrip("="))], 0),
        ([("Authorization", _basic("alice:wrong"))], 401),
        ([("Authorization", _basic("alice"))], 401),
        ([("Authorization", _basic("pa:ss"))], 401),
        ([("Authorization", _basic(""))], 401),
        ([("Authorization", _basic(":"))], 401),
        ([("Authorization", "Basic")], 401),
        ([("Authorization", "Basic ")], 401),
        ([("Authorization", "")], 401),
        ([("Authorization", _basic("alice:pa:ss "))], 401),
        ([("Authorization", _basic("alice: pa:ss"))], 401),
        ([("Authorization", _basic("Alice:pa:ss"))], 401),
        ([("Authorization", _basic("alice:pa:ss", "  basic   "))], 0),
        ([("Authorization", _basic("alice:pa:ss", "Negotiate, Basic "))], 0),
        ([("Authorization", _basic("\nalice:pa:ss"))], 401),
        ([("Authorization", _basic(":pa:ss"))], 401),
        ([("Authorization", _basic(":alice:pa:ss"))], 0),
        ([("Authorization", _basic("alice:pa:ss\nmore"))], 0),
        ([("Authorization", _basic("empty:"))], 0),
        ([("Authorization", _basic("ghost:x"))], 401),
        ([("Authorization", _basic("orphan:x"))], 401),
        ([("Authorization", "Basic !!!")], 401),
        ([("Authorization", "Basic é")], 401),
        ([("Authorization", _basic(b"\xff\xfe:\x00"))], 401),
        ([("Authorization", "Basic " + "A" * 100_000)], 401),
        ([("Proxy-Authorization", _basic("alice:pa:ss")), ("Authorization", _basic("x:y"))], 0),
        ([("Proxy-Authorization", _basic("ghost:y")), ("Authorization", _basic("alice:pa:ss"))], 0),
        ([("Proxy-Authorization", "hello"), ("Authorization", _basic("alice:pa:ss"))], 0),
        ([("Proxy-Authorization", _basic("alice:no")), ("Authorization", _basic("alice:pa:ss"))], 401),
    ],
)
def test_who_is_let_in(headers: list[tuple[str, str]], status: int) -> None:
    assert run({}, headers)[0] == status


def test_the_target_learns_the_user_name() -> None:
    _, ctx = run({}, [("Authorization", _basic("alice:pa:ss"))])

    assert ctx.upstream.headers.get("X-Credential-Identifier") == "alice"
    assert ctx.upstream.headers.get("X-Consumer-ID") == "c1"
    assert ctx.upstream.headers.get("Authorization") is not None


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ([("Authorization", _basic("alice:pa:ss"))], []),
        ([("Authorization", "nonsense")], []),
        ([("Authorization", _basic("no colon"))], ["Authorization"]),
        (
            [("Proxy-Authorization", _basic("alice:pa:ss")), ("Authorization", _basic("a:b"))],
            ["Authorization"],
        ),
        ([("Proxy-Authorization", _basic("ghost:y")), ("Authorization", _basic("a:b"))], []),
        ([("Authorization", "Basic !!!")], []),
        ([("Authorization", _basic("alice:wrong"))], []),
        ([("Proxy-Authorization", _basic("alice:wrong")), ("Authorization", "x")], ["Authorization"]),
    ],
)
def test_hide_credentials(headers: list[tuple[str, str]], left: list[str]) -> None:
    _, ctx = run({"hide_credentials": True}, headers)
    names = [name for name, _ in ctx.upstream.headers.items() if name.endswith("Authorization")]

    assert names == left


@pytest.mark.parametrize("headers", [[], ["x"], [_basic("alice")], [_basic("ghost:x")], [_basic("alice:no")]])
@pytest.mark.parametrize("realm", ["service", "api"])
def test_every_401_is_the_same_and_challenges(headers: list[str], realm: str) -> None:
    handler = make_handler(basic_auth, DEFAULTS | {"realm": realm}, ENV)
    lines = [("Accept", "text/plain"), *(("Authorization", value) for value in headers)]
    reply = handler.access(FakeContext(headers=lines))

    assert (reply.status, reply.body.partition(b"\n")[0]) == (401, b"Unauthorized")
    assert dict(reply.headers)["WWW-Authenticate"] == f'Basic realm="{realm}"'


def test_preflight_must_authenticate_too() -> None:
    assert make_handler(basic_auth, DEFAULTS, ENV).access(FakeContext("OPTIONS")).status == 401


def test_grpc() -> None:
    ctx = FakeContext(headers=[("content-type", "application/grpc")])
    reply = make_handler(basic_auth, DEFAULTS, ENV).access(ctx)

    assert dict(reply.headers) == {
        "grpc-status": "16",
        "grpc-message": "Unauthenticated",
        "WWW-Authenticate": 'Basic realm="service"',
    }


def test_anonymous() -> None:
    status, ctx = run({"anonymous": "nobody"}, [("Authorization", _basic("alice:wrong"))])

    assert status == 0
    assert ctx.consumer is not None
    assert ctx.consumer.id == "c2"
