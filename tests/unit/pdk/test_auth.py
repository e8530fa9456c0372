"""AND, OR and the anonymous consumer."""

from __future__ import annotations

import pytest

from dbless_gateway.pdk.auth import Gate, challenge
from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.errors import refuse
from dbless_gateway.pdk.reply import Reply
from tests.support.plugin_context import FakeContext, make_consumer, make_credential, make_env

ALICE = make_consumer("id-alice", "alice")
NOBODY = make_consumer("id-nobody", "nobody")
KEY = make_credential("id-key", "keyauth_credentials", "id-alice", key="k")
ENV = make_env(consumers=[ALICE, NOBODY])


def _succeed(ctx: Context) -> Reply | None:
    ctx.authenticate(ALICE, KEY)
    return None


def _fail(ctx: Context) -> Reply | None:
    return refuse(ctx, 401)


def test_without_anonymous_failure_ends_the_request_even_after_a_success() -> None:
    ctx = FakeContext()
    ctx.authenticate(ALICE, KEY)

    reply = Gate(None, ENV).run(ctx, _fail)

    assert isinstance(reply, Reply)
    assert reply.status == 401


def test_success_is_success_in_both_modes() -> None:
    for anonymous in (None, "nobody"):
        ctx = FakeContext()
        assert Gate(anonymous, ENV).run(ctx, _succeed) is None
        assert ctx.consumer == ALICE


def test_the_step_is_authenticating_itself_unless_there_is_an_anonymous_consumer() -> None:
    assert Gate(None, ENV).step(_fail) is _fail
    ctx = FakeContext()
    assert Gate("nobody", ENV).step(_fail)(ctx) is None
    assert ctx.consumer == NOBODY


def test_with_anonymous_an_earlier_success_is_kept() -> None:
    ctx = FakeContext()
    ctx.authenticate(ALICE, KEY)

    assert Gate("nobody", ENV).run(ctx, _fail) is None
    assert (ctx.consumer, ctx.credential) == (ALICE, KEY)


@pytest.mark.parametrize("anonymous", ["nobody", "id-nobody"])
def test_with_anonymous_failure_continues_as_nobody(anonymous: str) -> None:
    ctx = FakeContext(headers=[("X-Consumer-Username", "admin"), ("X-Credential-Identifier", "forged")])

    assert Gate(anonymous, ENV).run(ctx, _fail) is None
    assert (ctx.consumer, ctx.credential) == (NOBODY, None)
    assert dict(ctx.upstream.headers.items()) == {
        "X-Consumer-ID": "id-nobody",
        "X-Consumer-Username": "nobody",
        "X-Anonymous-Consumer": "true",
    }


def test_an_unknown_anonymous_consumer_is_an_error() -> None:
    reply = Gate("ghost", ENV).run(FakeContext(headers=[("Accept", "text/plain")]), _fail)

    assert isinstance(reply, Reply)
    assert reply.status == 500
    assert reply.body.startswith(b"anonymous consumer ghost is configured but doesn't exist\n")


def test_challenge() -> None:
    assert challenge("Key", None) == (("WWW-Authenticate", "Key"),)
    assert challenge("Basic", "api") == (("WWW-Authenticate", 'Basic realm="api"'),)
