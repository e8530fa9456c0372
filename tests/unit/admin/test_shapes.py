"""Secrets are shown to clients that something vouches for, and to nobody else."""

from __future__ import annotations

import asyncio
import json

import pytest

from dbless_gateway.admin.api import ADMIN_API, Api
from dbless_gateway.admin.messages import AdminRequest
from tests.support.authority import Authority
from tests.unit.admin.node_reports import FixedCommands
from tests.unit.admin.served import ask, catalog, get

PAIR = Authority().issue("a.test")
TEXT = json.dumps(
    {
        "_format_version": "3.0",
        "consumers": [
            {
                "username": "bob",
                "keyauth_credentials": [{"key": "TOP-SECRET"}],
                "basicauth_credentials": [{"username": "bob", "password": "TOP-SECRET"}],
                "hmacauth_credentials": [{"username": "bob", "secret": "TOP-SECRET"}],
                "jwt_secrets": [{"key": "bob", "secret": "TOP-SECRET"}],
            }
        ],
        "certificates": [{"cert": PAIR.cert, "key": PAIR.key, "snis": [{"name": "a.test"}]}],
        "plugins": [
            {"name": "rate-limiting", "config": {"minute": 5, "redis": {"password": "TOP-SECRET"}}},
            {"name": "session", "config": {"secret": "TOP-SECRET"}},
        ],
    }
)
TARGETS = [
    "/key-auths",
    "/hmac-auths",
    "/jwts",
    "/consumers/bob/key-auth",
    "/consumers/bob/jwt/bob",
    "/plugins",
    "/config",
]


@pytest.mark.parametrize("target", TARGETS)
def test_secrets_are_masked_for_clients_that_nothing_vouches_for(target: str) -> None:
    assert "TOP-SECRET" in json.dumps(get(target, TEXT))
    hidden = json.dumps(get(target, TEXT, is_trusted=False))
    assert "TOP-SECRET" not in hidden
    assert "***" in hidden


@pytest.mark.parametrize("target", ["/certificates", "/certificates/a.test", "/basic-auths"])
def test_keys_and_hashes_are_masked(target: str) -> None:
    shown, hidden = (json.dumps(get(target, TEXT, is_trusted=trusted)[1]) for trusted in (True, False))
    assert shown != hidden
    assert "PRIVATE KEY" not in hidden


def test_what_is_no_secret_is_shown_to_everybody() -> None:
    _, plugins = get("/plugins", TEXT, is_trusted=False)
    (limiting,) = [row for row in plugins["data"] if row["name"] == "rate-limiting"]
    assert limiting["config"]["minute"] == 5
    assert get("/consumers", TEXT, is_trusted=False) == get("/consumers", TEXT)


def test_masking_leaves_what_is_served_alone() -> None:
    commands = FixedCommands(served=catalog(TEXT))
    before = ask(commands, "GET", "/config").body
    ask(commands, "GET", "/config", is_trusted=False)
    assert ask(commands, "GET", "/config").body == before


def test_the_token_vouches_for_a_client() -> None:
    commands = FixedCommands(served=catalog(TEXT), token="t")
    api = Api(ADMIN_API, commands, is_protected=True)
    request = AdminRequest("GET", "/key-auths", {}, {"kong-admin-token": "t"}, is_trusted=False)
    assert b"TOP-SECRET" in (asyncio.run(api.answer(request)).body or b"")
