"""basic-auth with passwords that are configured as slow hashes."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from typing import Any

import pytest

from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from dbless_gateway.pdk import passwords
from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import basic_auth
from tests.support.plugin_context import (
    FakeContext,
    FakeHost,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
)

KIND = "basicauth_credentials"
CONFIG: dict[str, Any] = {"anonymous": None, "hide_credentials": False, "realm": "service"}


def _hash(password: bytes) -> str:
    """Return a scrypt hash that takes no time."""
    made = hashlib.scrypt(password, salt=b"0123456789abcdef", n=16, r=8, p=1, dklen=32)
    salt, digest = (b64encode(raw).decode().rstrip("=") for raw in (b"0123456789abcdef", made))
    return f"$scrypt$ln=4,r=8,p=1${salt}${digest}"


def _env(host: FakeHost) -> Any:
    return make_env(
        host,
        consumers=[make_consumer("c1", "alice"), make_consumer("c2", "nobody")],
        credentials=[
            make_credential("b1", KIND, "c1", username="alice", password=_hash(b"pa:ss")),
            make_credential("b2", KIND, "gone", username="orphan", password=_hash(b"x")),
            make_credential("b3", KIND, "c1", username="old", password=hashlib.sha1(b"pc1").hexdigest()),
        ],
    )


def ask(host: FakeHost, credentials: str, **config: Any) -> tuple[bool, int, FakeContext]:
    """Return whether the answer took waiting, the status, and the context."""
    ctx = FakeContext(headers=[("Authorization", "Basic " + b64encode(credentials.encode()).decode())])

    async def scenario() -> tuple[bool, Any]:
        outcome = make_handler(basic_auth, CONFIG | config, _env(host)).access(ctx)
        return (True, await outcome) if hasattr(outcome, "__await__") else (False, outcome)

    waited, reply = asyncio.run(scenario())
    return waited, (reply.status if reply else 0), ctx


@pytest.fixture
def host() -> Any:
    here = FakeHost()
    yield here
    for resource in here.resources.values():
        resource.close()


@pytest.mark.parametrize(
    ("credentials", "waited", "status"),
    [
        ("alice:pa:ss", True, 0),
        ("alice:wrong", True, 401),
        ("orphan:x", True, 401),
        ("old:p", False, 0),
        ("old:wrong", False, 401),
        # Nobody's name takes as long as somebody's, and nobody's password is right.
        ("ghost:x", True, 401),
    ],
)
def test_who_is_let_in(host: FakeHost, credentials: str, waited: bool, status: int) -> None:
    assert ask(host, credentials)[:2] == (waited, status)


def test_the_second_request_does_not_wait(host: FakeHost) -> None:
    assert ask(host, "alice:pa:ss")[:2] == (True, 0)
    waited, status, ctx = ask(host, "alice:pa:ss")
    assert (waited, status) == (False, 0)
    assert ctx.consumer is not None
    assert ask(host, "alice:wrong")[:2] == (True, 401)
    host.clock += 60
    assert ask(host, "alice:pa:ss")[:2] == (True, 0)


def test_anonymous(host: FakeHost) -> None:
    waited, status, ctx = ask(host, "alice:wrong", anonymous="nobody")
    assert (waited, status) == (True, 0)
    assert ctx.consumer is not None
    assert ctx.consumer.id == "c2"
    assert ask(host, "alice:wrong", anonymous="nobody", anonymous_on="missing")[1] == 401


def test_too_many_verifications(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MAX_WAITING", 0)

    assert ask(host, "alice:pa:ss")[1] == 503


def test_a_hash_that_cannot_be_used() -> None:
    hashed = "$scrypt$ln=30,r=8,p=1$c2FsdA$aGFzaA"
    env = make_env(credentials=[make_credential("b", KIND, "c", username="u", password=hashed)])

    with pytest.raises(ConfigError, match="the password hash of user 'u' takes more than 256 MiB to verify"):
        make_handler(basic_auth, CONFIG, env)


@pytest.mark.parametrize(("password", "is_kept"), [(_hash(b"x"), True), ("$2b$secret", False)])
def test_a_hash_in_a_file_is_kept(password: str, is_kept: bool) -> None:
    text = (
        '_format_version: "3.0"\n'
        f"consumers: [{{username: a, basicauth_credentials: [{{username: u, password: '{password}'}}]}}]\n"
    )
    entities = load([Source("kong.yaml", text)], LoadOptions(environ={})).entities
    assert entities is not None

    assert (entities.credentials[0].fields["password"] == password) is is_kept
