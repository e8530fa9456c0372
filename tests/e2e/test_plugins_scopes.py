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
from tests.support.origin import Origin, OriginConnection
from tests.support.wire import Response

Lines = tuple[tuple[str, str], ...]
Ask = Callable[..., Response]  # of headers and, optionally, a body
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


def _header(name: str) -> Callable[[Ask], str]:
    return lambda ask: str(ask(()).get(name))


def _named_in_header(before: str, after: str = "") -> Callable[[Ask], str]:
    def find(ask: Ask) -> str:
        names = ask(()).names
        return " ".join(scope for scope in SCOPES if f"{before}{scope}{after}" in names)

    return find


def _largest_body(ask: Ask) -> str:
    sizes = [size for size in range(1, len(SCOPES) + 1) if ask((), bytes(size)).status == 200]
    return SCOPES[max(sizes) - 1]


def _rank(scope: str) -> int:
    return SCOPES.index(scope) + 1


def _limit(ask: Ask) -> str:
    return SCOPES[int(ask(()).get("X-RateLimit-Limit-Year") or 0) // 1000 - 1]


def _shown_of_the_cache(scope: str) -> dict[str, bool]:
    return {"X-Cache-Status": scope in ("consumer", "route"), "X-Cache-Key": scope in ("consumer", "service")}


def _cache_headers(ask: Ask) -> str:
    names = ask(()).names
    shown = {name: name in names for name in ("X-Cache-Status", "X-Cache-Key")}
    return " ".join(scope for scope in SCOPES if _shown_of_the_cache(scope) == shown)


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
    Case("correlation-id", lambda scope: {"header_name": scope, "echo_downstream": True},
        _named_in_header("")),
    Case("cors", lambda scope: {"exposed_headers": [scope]}, _header("Access-Control-Expose-Headers"),
        needs_consumer=False),
    Case("redirect", lambda scope: {"location": f"{scope}://a.test"},
        lambda ask: _header("Location")(ask).partition(":")[0], of_consumer=True),
    Case("request-size-limiting", lambda scope: {"allowed_payload_size": _rank(scope), "size_unit": "bytes"},
        _largest_body, of_consumer=True),
    Case("rate-limiting", lambda scope: {"year": 1000 * _rank(scope)}, _limit, of_consumer=True),
    Case("response-ratelimiting", lambda scope: {"limits": {scope: {"year": 9}}},
        _named_in_header("X-RateLimit-Limit-", "-year"), of_consumer=True),
    Case("request-transformer", lambda scope: {"add": {"headers": [f"X-Scope:{scope}"]}}, _header("X-Seen"),
        of_consumer=True),
    Case("response-transformer", lambda scope: {"add": {"headers": [f"X-Scope:{scope}"]}},
        _header("X-Scope"), of_consumer=True),
    Case("proxy-cache", lambda scope: {"strategy": "memory", "response_headers": _shown_of_the_cache(scope)},
        _cache_headers, of_consumer=True),
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
    with Origin(answer) as running:
        yield running


def answer(connection: OriginConnection) -> None:
    """Tell the client what a plugin has told the target."""
    seen = connection.receive().get("X-Scope")
    connection.answer(b"origin", headers=(("X-Seen", seen),) if seen else ())


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
        def ask(headers: Lines, body: bytes = b"") -> Response:
            # A key that the case sends itself comes instead of the consumer's.
            own = any(name == "apikey" for name, _ in headers)
            key = (("apikey", f"key-{consumer}"),) if case.needs_consumer and not own else ()
            method = "POST" if body else "GET"
            return gateway.fetch(path, method=method, headers=(*key, *headers), body=body)

        return case.find(ask)

    paths = {"/route": "route", "/service": "service", "/off": "service", "/global": "global"}
    assert {path: in_force(path, "global") for path in paths} == paths
    if case.of_consumer:
        assert {in_force(path, "consumer") for path in paths} == {"consumer"}
