"""acl, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.plugins import acl
from tests.support.plugin_context import FakeContext, make_consumer, make_credential, make_env, make_handler

ALICE, BOB, NOBODY = make_consumer("alice"), make_consumer("bob"), make_consumer("nobody")
KEY = make_credential("key", "keyauth_credentials", "alice", key="k")
GROUPS = [
    make_credential("m1", "acls", "alice", group="admin"),
    make_credential("m2", "acls", "alice", group="dev"),
    make_credential("m3", "acls", "nobody", group="guests"),
]


def run(
    config: dict[str, Any], consumer: Any, credential: Any, shared: Any = None, headers: Any = ()
) -> tuple[int, dict[str, str]]:
    env = make_env(consumers=[ALICE, BOB, NOBODY], credentials=GROUPS)
    defaults = {"hide_groups_header": False, "always_use_authenticated_groups": False}
    ctx = FakeContext(headers=headers)
    ctx.consumer, ctx.credential = consumer, credential
    if shared is not None:
        ctx.shared["authenticated_groups"] = shared
    reply = make_handler(acl, defaults | config, env).access(ctx)
    return (reply.status if reply else 0), dict(ctx.upstream.headers.items())


@pytest.mark.parametrize(
    ("config", "consumer", "credential", "shared", "status", "headers"),
    [
        ({"allow": ["admin"]}, ALICE, KEY, None, 0, {"X-Consumer-Groups": "admin, dev"}),
        ({"allow": ["Admin"]}, ALICE, KEY, None, 403, {}),
        ({"allow": ["ops", "dev"]}, ALICE, KEY, None, 0, {"X-Consumer-Groups": "admin, dev"}),
        ({"deny": ["dev"]}, ALICE, KEY, None, 403, {}),
        ({"deny": ["ops"]}, ALICE, KEY, None, 0, {"X-Consumer-Groups": "admin, dev"}),
        ({"allow": ["dev"], "hide_groups_header": True}, ALICE, KEY, None, 0, {}),
        ({"allow": ["dev"]}, BOB, KEY, None, 403, {}),
        ({"allow": ["dev"]}, BOB, None, None, 401, {}),
        ({"deny": ["dev"]}, BOB, KEY, None, 0, {"X-Consumer-Groups": ""}),
        ({"allow": ["dev"]}, None, None, None, 401, {}),
        ({"deny": ["dev"]}, None, None, None, 401, {}),
        ({"deny": ["dev"]}, None, KEY, None, 403, {}),
        ({"deny": ["dev"]}, BOB, None, None, 0, {"X-Consumer-Groups": ""}),
        ({"deny": ["dev", "admin"]}, ALICE, KEY, None, 403, {}),
        ({"deny": ["guests"]}, NOBODY, None, None, 403, {}),
        ({"allow": ["dev"], "deny": []}, ALICE, KEY, None, 0, {"X-Consumer-Groups": "admin, dev"}),
        ({"allow": ["ldap"]}, None, KEY, ["other"], 403, {}),
        ({"allow": ["ldap"], "hide_groups_header": True}, None, None, ["ldap"], 0, {}),
        ({"allow": ["dev"]}, None, KEY, None, 403, {}),
        ({"allow": ["guests"]}, NOBODY, None, None, 0, {"X-Consumer-Groups": "guests"}),
        ({"allow": ["ldap"]}, None, None, ["ldap", "x"], 0, {"X-Authenticated-Groups": "ldap, x"}),
        ({"deny": ["ldap"]}, None, None, ["ldap"], 403, {}),
        ({"allow": ["ldap"]}, ALICE, KEY, ["ldap"], 403, {}),
        ({"allow": ["ldap"]}, NOBODY, None, ["ldap"], 0, {"X-Authenticated-Groups": "ldap"}),
        (
            {"allow": ["ldap"], "always_use_authenticated_groups": True},
            ALICE,
            KEY,
            ["ldap"],
            0,
            {"X-Authenticated-Groups": "ldap"},
        ),
        (
            {"allow": ["dev"], "always_use_authenticated_groups": True},
            ALICE,
            KEY,
            None,
            0,
            {"X-Consumer-Groups": "admin, dev"},
        ),
    ],
)
def test_verdicts(
    config: dict[str, Any],
    consumer: Any,
    credential: Any,
    shared: Any,
    status: int,
    headers: dict[str, str],
) -> None:
    assert run(config, consumer, credential, shared) == (status, headers)


FORGED = [("X-Consumer-Groups", "admin"), ("x-authenticated-groups", "admin")]


@pytest.mark.parametrize(
    ("hides", "expected"),
    [
        (True, {}),
        (False, {"X-Consumer-Groups": "admin, dev", "x-authenticated-groups": "admin"}),
    ],
)
def test_groups_that_the_client_claims(hides: bool, expected: dict[str, str]) -> None:
    config = {"allow": ["dev"], "hide_groups_header": hides}

    assert run(config, ALICE, KEY, headers=FORGED) == (0, expected)


def test_grpc() -> None:
    handler = make_handler(acl, {"allow": ["x"], "hide_groups_header": False})
    reply = handler.access(FakeContext(headers=[("content-type", "application/grpc")]))

    assert dict(reply.headers) == {"grpc-status": "16", "grpc-message": "Unauthenticated"}


def test_messages() -> None:
    handler = make_handler(acl, {"allow": ["x"], "hide_groups_header": False})
    reply = handler.access(FakeContext(headers=[("Accept", "text/plain")]))
    assert reply.body.startswith(b"Unauthorized\n")
    assert "WWW-Authenticate" not in dict(reply.headers)

    ctx = FakeContext(headers=[("Accept", "text/plain")])
    ctx.credential = KEY
    assert handler.access(ctx).body.startswith(b"You cannot consume this service\n")
