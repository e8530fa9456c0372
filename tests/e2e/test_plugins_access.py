"""Authentication and access plugins together, and what only the wire shows of them, through a real gateway.

What one request to one plugin does is in ``test_plugins_requests.py``; each field and each case of a plugin's
page is in its module of ``tests/unit/plugins``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest

from tests.support.config import parse_json, service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin

Lines = tuple[tuple[str, str], ...]
TRUSTED_PEER = "127.0.0.3"
CONSUMERS: list[dict[str, Any]] = [
    {
        "username": "alice",
        "custom_id": "a-1",
        "keyauth_credentials": [{"id": "0d9e0e4a-5b7c-4c38-8f6e-6a3f0b7d1c11", "key": "alices-key"}],
        "acls": [{"group": "staff"}, {"group": "dev"}],
    },
    {
        "username": "bob",
        "keyauth_credentials": [{"key": "bobs-key"}],
        "basicauth_credentials": [{"username": "bobby", "password": "p:w "}],
        "hmacauth_credentials": [{"username": "bobby", "secret": "s"}],
    },
    {"username": "first"},
    {"username": "second"},
]
ALICE: Lines = (("apikey", "alices-key"),)
BOB: Lines = (("Authorization", "Basic " + b64encode(b"bobby:p:w ").decode()),)
FORGED: Lines = (
    ("X-Consumer-ID", "forged"),
    ("X-Consumer-Custom-ID", "forged"),
    ("X-Consumer-Username", "forged"),
    ("X-Credential-Identifier", "forged"),
    ("X-Anonymous-Consumer", "forged"),
)


def plugin(name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "config": config}


ROUTES: dict[str, list[dict[str, Any]]] = {
    "/and": [plugin("key-auth"), plugin("basic-auth")],
    "/or": [plugin("key-auth", anonymous="first"), plugin("basic-auth", anonymous="second")],
    "/gone": [plugin("key-auth", anonymous="ghost")],
    "/hidden": [plugin("key-auth", key_names=["api_key"], key_in_body=True, hide_credentials=True)],
    "/basic": [plugin("basic-auth", hide_credentials=True)],
    "/signed": [plugin("hmac-auth", validate_request_body=True)],
    "/deny": [plugin("key-auth"), plugin("acl", deny=["banned"])],
    "/quiet": [plugin("key-auth"), plugin("acl", deny=["banned"], hide_groups_header=True)],
    "/members": [plugin("key-auth", anonymous="first"), plugin("acl", allow=["staff"])],
    "/address": [plugin("ip-restriction", allow=["127.0.0.0/30"], deny=["127.0.0.2", "10.9.0.0/16"])],
    "/bots": [plugin("bot-detection")],
    "/site": [
        plugin("session", secret="of sessions", remember=True, read_body_for_logout=True, cookie_secure=False),
        plugin("key-auth", anonymous="first"),
    ],
    "/echo": [plugin("request-termination", status_code=200, echo=True)],
    "/none": [plugin("request-termination", status_code=204, message="unseen")],
    "/page": [plugin("request-termination", status_code=200, content_type="text/html", body="<p>closed</p>")],
    "/bare": [plugin("request-termination", status_code=418, body="short and stout")],
}  # fmt: skip


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    services = [service(origin.address, path, plugins=plugins) for path, plugins in ROUTES.items()]
    serviceless = {"name": "alone", "paths": ["/alone"], "plugins": [plugin("request-termination")]}
    # Whoever comes without a session and without a key sees only that.
    closed = {**plugin("request-termination", status_code=403, message="log in"), "consumer": "first",
        "service": "service-site"}  # fmt: skip
    file = write(
        tmp_path_factory.mktemp("access"),
        *services,
        consumers=CONSUMERS,
        routes=[serviceless],
        plugins=[closed],
    )
    environment = {"KONG_TRUSTED_IPS": TRUSTED_PEER, "KONG_REAL_IP_HEADER": "X-Forwarded-For"}
    with Gateway(file, environment=environment) as running:
        yield running
    assert "Traceback" not in str(running.log)


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        ("/and", (*ALICE, *BOB), "bob"),  # basic-auth comes last, and its consumer stays
        ("/and", ALICE, 'Basic realm="service"'),
        ("/and", BOB, "Key"),
        ("/and", (), "Key"),
        ("/or", (*ALICE, *BOB), "alice"),  # who is known already is not asked again
        ("/or", (*ALICE, ("Authorization", "Basic x")), "alice"),
        ("/or", (*BOB, ("apikey", "wrong")), "bob"),
        ("/or", (), "second"),  # the anonymous consumer of the last one
    ],
)
def test_and_and_or(gateway: Gateway, origin: Origin, target: str, headers: Lines, expected: str) -> None:
    response = gateway.fetch(target, headers=headers)

    if response.status == 401:
        assert response.get("WWW-Authenticate") == expected
    else:
        assert origin.requests[-1].get("X-Consumer-Username") == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (ALICE, {"X-Consumer-Custom-ID": "a-1", "X-Consumer-Username": "alice",
            "X-Credential-Identifier": "0d9e0e4a-5b7c-4c38-8f6e-6a3f0b7d1c11"}),
        (BOB, {"X-Consumer-Username": "bob", "X-Credential-Identifier": "bobby"}),
        ((), {"X-Consumer-Username": "second", "X-Anonymous-Consumer": "true"}),
    ],
)  # fmt: skip
def test_what_the_client_claims_about_itself_does_not_count(
    gateway: Gateway, origin: Origin, headers: Lines, expected: dict[str, str]
) -> None:
    assert gateway.fetch("/or", headers=(*FORGED, *headers)).status == 200
    seen = origin.requests[-1]

    assert seen.get("X-Consumer-ID") != "forged"
    wanted: dict[str, str | None] = {name: expected.get(name) for name, _ in FORGED[1:]}
    assert {name: seen.get(name) for name in wanted} == wanted


def test_an_anonymous_consumer_that_is_not_there(gateway: Gateway) -> None:
    response = gateway.fetch("/gone")

    assert (response.status, parse_json(response.body)["message"]) == (
        500,
        "anonymous consumer ghost is configured but doesn't exist",
    )


@pytest.mark.parametrize(
    ("content_type", "body", "left"),
    [
        ("application/json", b'{"a":[1],"api_key":"alices-key"}', b'{"a":[1]}'),
        ("application/x-www-form-urlencoded", b"a=1&api_key=alices-key", b"a=1"),
        (
            "multipart/form-data; boundary=B",
            b'--B\r\nContent-Disposition: form-data; name="api_key"\r\n\r\nalices-key\r\n'
            b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n',
            b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n',
        ),
    ],
)
def test_a_key_in_the_body_is_hidden(
    gateway: Gateway, origin: Origin, content_type: str, body: bytes, left: bytes
) -> None:
    headers = [("Content-Type", content_type)]
    assert gateway.fetch("/hidden", method="POST", headers=headers, body=body).status == 200
    seen = origin.requests[-1]

    assert (seen.body, seen.get("Content-Length"), seen.get("Content-Type")) == (
        left,
        str(len(left)),
        content_type,
    )


def test_a_key_in_header_and_query_is_hidden(gateway: Gateway, origin: Origin) -> None:
    gateway.fetch("/hidden?b=x%20y&api%5Fkey=1&a=valu%651", headers=[("Api-Key", "alices-key")])

    assert origin.requests[-1].target == "/?b=x%20y&a=value1"
    assert origin.requests[-1].get("Api-Key") is None


@pytest.mark.parametrize(
    ("method", "name", "status"),
    [
        ("GET", "Authorization", 200),
        ("GET", "Proxy-Authorization", 200),
        ("OPTIONS", "Authorization", 200),
        ("OPTIONS", "X-Other", 401),
    ],
)
def test_basic_auth(gateway: Gateway, origin: Origin, method: str, name: str, status: int) -> None:
    assert gateway.fetch("/basic", method=method, headers=[(name, BOB[0][1])]).status == status
    if status == 200:
        assert origin.requests[-1].get("X-Consumer-Username") == "bob"
        assert origin.requests[-1].get(name) is None


@pytest.mark.parametrize(
    ("body", "digested", "status"),
    [(b"x", b"x", 200), (b"x", b"y", 401), (b"x", None, 401), (b"", None, 200)],
)
def test_a_signed_body(gateway: Gateway, body: bytes, digested: bytes | None, status: int) -> None:
    date = formatdate(usegmt=True)
    signed = f"x-date: {date}\nPOST /signed?a=%20 HTTP/1.1"
    made = b64encode(hmac.new(b"s", signed.encode(), hashlib.sha512).digest()).decode()
    parameters = (
        f'username="bobby", algorithm="hmac-sha512", headers="x-date request-line", signature="{made}"'
    )
    headers = [("X-Date", date), ("Authorization", f"hmac {parameters}")]
    if digested is not None:
        digest = b64encode(hashlib.sha256(digested).digest()).decode()
        headers.append(("Digest", f"SHA-256={digest}"))
    response = gateway.fetch("/signed?a=%20", method="POST", headers=headers, body=body)

    assert response.status == status, response.raw
    if status == 401:
        assert parse_json(response.body)["message"] == "HMAC signature does not match"


@pytest.mark.parametrize(
    ("target", "headers", "status", "groups"),
    [
        ("/deny", (("apikey", "bobs-key"), ("X-Consumer-Groups", "staff")), 200, ""),
        ("/deny", (*ALICE, ("X-Consumer-Groups", "root")), 200, "dev, staff"),
        ("/deny", (), 401, None),
        ("/quiet", (*ALICE, ("X-Consumer-Groups", "root"), ("X-Authenticated-Groups", "root")), 200, None),
        ("/members", ALICE, 200, "dev, staff"),
        ("/members", (), 401, None),
    ],
)
def test_groups(
    gateway: Gateway, origin: Origin, target: str, headers: Lines, status: int, groups: str | None
) -> None:
    response = gateway.fetch(target, headers=headers)

    assert response.status == status
    if status == 200:
        seen = origin.requests[-1].get("X-Consumer-Groups")
        assert (seen if seen is None else ", ".join(sorted(seen.split(", ")))) == groups
        assert origin.requests[-1].get("X-Authenticated-Groups") is None


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", None, None),
        ("127.0.0.2", None, "127.0.0.2"),
        ("127.0.0.4", None, "127.0.0.4"),
        ("127.0.0.1", "10.9.9.9", None),  # nobody believes that peer
        (TRUSTED_PEER, "10.9.9.9", "10.9.9.9"),
        (TRUSTED_PEER, "127.0.0.1", None),
        (TRUSTED_PEER, None, None),
    ],
)
def test_ip_restriction(gateway: Gateway, peer: str, forwarded: str | None, address: str | None) -> None:
    before = len(gateway.log.lines)
    headers = [("X-Forwarded-For", forwarded)] if forwarded else []
    response = gateway.fetch("/address", headers=headers, source_ip=peer)

    if address is None:
        assert response.status == 200
    else:
        message = f"IP address not allowed: {address}"
        assert (response.status, parse_json(response.body)["message"]) == (403, message)
        gateway.log.wait_for(rf"\[warn(ing)?\].*{message}", after=before)


def test_two_user_agents(gateway: Gateway) -> None:
    response = gateway.fetch("/bots", headers=[("User-Agent", "a"), ("User-Agent", "b")])

    assert (response.status, parse_json(response.body)["message"]) == (
        400,
        "Only one User-Agent header allowed",
    )
    assert gateway.fetch("/bots").status == 200


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [("POST", "/site?session_logout", b""), ("DELETE", "/site", b"session_logout=1")],
)
def test_log_in_and_out(gateway: Gateway, origin: Origin, method: str, target: str, body: bytes) -> None:
    """Somebody without a session is anonymous and sees the door; a key opens it once, a cookie from then on."""
    closed = gateway.fetch("/site")
    assert (closed.status, closed.body, closed.get("Set-Cookie")) == (403, b'{"message":"log in"}', None)

    entered = gateway.fetch("/site", headers=ALICE)
    lines = entered.get_all("Set-Cookie")
    assert [line.partition("=")[0] for line in lines] == ["session", "remember"]
    assert all("; Path=/; SameSite=Strict; HttpOnly" in line for line in lines)
    cookie = ("Cookie", "; ".join(line.partition(";")[0] for line in lines))

    assert gateway.fetch("/site", headers=[cookie, *FORGED]).get("Set-Cookie") is None
    seen = origin.requests[-1]
    assert seen.get("X-Consumer-Username") == "alice"
    assert seen.get("X-Credential-Identifier") == "0d9e0e4a-5b7c-4c38-8f6e-6a3f0b7d1c11"
    assert seen.get("X-Anonymous-Consumer") is None

    form = ("Content-Type", "application/x-www-form-urlencoded")
    left = gateway.fetch(target, method=method, headers=[cookie, form], body=body)
    assert (left.status, left.body) == (200, b"")
    assert [line.partition(";")[0] for line in left.get_all("Set-Cookie")] == ["session=", "remember="]
    assert all(line.endswith("; Max-Age=0") for line in left.get_all("Set-Cookie"))


@pytest.mark.parametrize(
    ("target", "status", "content_type", "body"),
    [
        ("/none", 204, "application/json; charset=utf-8", b""),
        ("/page", 200, "text/html; charset=UTF-8", b"<p>closed</p>"),
        ("/bare", 418, None, b"short and stout"),
        ("/alone", 503, "application/json; charset=utf-8", b'{"message":"Service unavailable"}'),
    ],
)
def test_request_termination(
    gateway: Gateway, target: str, status: int, content_type: str | None, body: bytes
) -> None:
    response = gateway.fetch(target)

    assert (response.status, response.get("Content-Type"), response.body) == (status, content_type, body)
    assert response.get("Content-Length") == (None if status == 204 else str(len(body)))
    assert (response.get("Server") or "").startswith("kong/")
    assert (response.get("X-Kong-Response-Latency") or "").isdecimal()
    head = gateway.fetch(target, method="HEAD")
    assert (head.status, head.body) == (status, b"")


def test_echo(gateway: Gateway) -> None:
    headers = [("X-A", "1"), ("X-A", "2"), ("Content-Type", "application/json")]
    response = gateway.fetch("/echo/b?q=1&q=2&f", method="PUT", headers=headers, body=b'{"k":[true]}')
    described = json.loads(response.body)
    request = described["request"]

    assert set(described) == {"kong", "request", "matched_route", "matched_service"}
    assert set(described["kong"]) == {"node_id", "worker_pid", "hostname"}
    assert (request["method"], request["path"], request["query"]) == (
        "PUT",
        "/echo/b",
        {"q": ["1", "2"], "f": True},
    )
    assert (request["body"], request["raw_body"]) == ({"k": [True]}, '{"k":[true]}')
    assert request["headers"]["x-a"] == ["1", "2"]
    assert described["matched_route"]["service"] == {"id": described["matched_service"]["id"]}
