"""Which instance of a plugin is in force: the consumer's, the route's, the service's or the global one.

Each plugin is configured once per scope, with something in it that tells on the wire which one has run. The
rules themselves are ``tests/unit/snapshot/test_chains.py``'s subject; here each plugin shows that it keeps
to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.client import fetch
from tests.support.config import document, service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin
from tests.support.wire import Response

Lines = tuple[tuple[str, str], ...]
Ask = Callable[[Lines], Response]
SCOPES = ("consumer", "route", "service", "global")
# One consumer for each scope, in the group of that name.
CONSUMERS: list[dict[str, Any]] = [
    {"username": scope, "keyauth_credentials": [{"key": f"key-{scope}"}], "acls": [{"group": scope}]}
    for scope in SCOPES
]


@dataclass(frozen=True)
class Case:
    """``config`` is that of a scope; ``find`` asks until it knows which of them is in force."""

    name: str
    config: Callable[[str], dict[str, Any]]
    find: Callable[[Ask], str]
    needs_consumer: bool = True
    of_consumer: bool = False


def _realm(ask: Ask) -> str:
    found = re.search(r'realm="(\w+)"', ask(()).get("WWW-Authenticate") or "")
    return found[1] if found else ""


def _message(ask: Ask) -> str:
    return str(json.loads(ask(()).body)["message"])


def _cookie(ask: Ask) -> str:
    return (ask(()).get("Set-Cookie") or "").partition("=")[0]


def _group(ask: Ask) -> str:
    return " ".join(scope for scope in SCOPES if ask((("apikey", f"key-{scope}"),)).status == 200)


def _agent(ask: Ask) -> str:
    return " ".join(scope for scope in SCOPES if ask((("User-Agent", scope),)).status == 403)


CASES = [
    *(
        Case(name, lambda scope: {"realm": scope}, _realm, needs_consumer=False)
        for name in ("key-auth", "basic-auth", "jwt", "hmac-auth")
    ),
    Case("acl", lambda scope: {"allow": [scope]}, _group),
    Case("bot-detection", lambda scope: {"deny": [scope]}, _agent, needs_consumer=False),
    Case("ip-restriction", lambda scope: {"deny": ["127.0.0.1"], "message": scope}, _message,
        of_consumer=True),
    Case("request-termination", lambda scope: {"message": scope}, _message, of_consumer=True),
    Case("session", lambda scope: {"secret": "of sessions", "cookie_name": scope}, _cookie),
]  # fmt: skip


def _document(case: Case, address: str) -> str:
    def instance(scope: str, **fields: Any) -> dict[str, Any]:
        return {"name": case.name, "config": case.config(scope), **fields}

    first = service(address, "/route", plugins=[instance("service")], route={"plugins": [instance("route")]})
    first["routes"] += [
        {"name": "plain", "paths": ["/service"]},
        {"name": "off", "paths": ["/off"], "plugins": [instance("route", enabled=False)]},
    ]
    plugins = [instance("global")]
    if case.needs_consumer:
        plugins.append({"name": "key-auth"})
    if case.of_consumer:
        plugins.append(instance("consumer", consumer="consumer"))
    return document(first, service(address, "/global"), consumers=CONSUMERS, plugins=plugins)


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(write(tmp_path_factory.mktemp("scopes"), service(origin.address))) as running:
        yield running
    assert "Traceback" not in str(running.log)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_most_specific_instance_runs(gateway: Gateway, origin: Origin, case: Case) -> None:
    body = json.dumps({"config": _document(case, origin.address)}).encode()
    json_type = (("Content-Type", "application/json"),)
    loaded = fetch(gateway.admin_port, "/config", method="POST", headers=json_type, body=body)
    assert loaded.status == 201, loaded.raw

    def in_force(path: str, consumer: str) -> str:
        def ask(headers: Lines) -> Response:
            # A key that the case sends itself comes instead of the consumer's.
            own = any(name == "apikey" for name, _ in headers)
            key = (("apikey", f"key-{consumer}"),) if case.needs_consumer and not own else ()
            return gateway.fetch(path, headers=(*key, *headers))

        return case.find(ask)

    paths = {"/route": "route", "/service": "service", "/off": "service", "/global": "global"}
    assert {path: in_force(path, "global") for path in paths} == paths
    if case.of_consumer:
        assert {in_force(path, "consumer") for path in paths} == {"consumer"}
