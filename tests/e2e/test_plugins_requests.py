"""What the bundled plugins do with requests, through a real gateway: a row for each way of a request.

A row names the route of ``tests/support/plugin_routes.py``, what the client sends, and what the client and
the target see, to the byte where the plugin makes the answer. Plugins that send logs away are in
``test_plugins_logs.py``, mistakes in their configuration in ``test_plugins_mistakes.py``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection
from tests.support.plugin_routes import HMAC_SECRET, JWT_SECRET, write_plugin_routes
from tests.support.wire import Response

# Nobody listens there; what these plugins send is another test's subject.
NO_PORTS = dict.fromkeys(("http-log", "opentelemetry", "statsd", "tcp-log", "udp-log", "zipkin"), 9)
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Lines = tuple[tuple[str, str], ...]
ALICE: Lines = (("apikey", "alices-key"),)


def basic(text: str) -> Lines:
    return (("Authorization", "Basic " + b64encode(text.encode()).decode()),)


def bearer(lifetime_s: float, secret: str = JWT_SECRET) -> Lines:
    claims = {"iss": "alices-issuer", "exp": time.time() + lifetime_s}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256"}, claims)]
    signed = ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    digest = hmac.digest(secret.encode(), signed.encode(), "sha256")
    return (("Authorization", f"Bearer {signed}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}"),)


def signature(secret: str = HMAC_SECRET) -> Lines:
    date = formatdate(usegmt=True)
    signed = f"date: {date}\n@request-target: get /hmac-auth"
    made = b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()).decode()
    names = "date @request-target"
    value = f'hmac username="alice", algorithm="hmac-sha256", headers="{names}", signature="{made}"'
    return (("Date", date), ("Authorization", value))


@dataclass(frozen=True)
class Row:
    """``seen`` and ``target_saw`` are headers: a pattern of the whole value, or None for absent."""

    target: str
    sent: Lines | Callable[[], Lines] = ()  # a function where the time counts
    method: str = "GET"
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    status: int = 200
    message: str | None = None  # of Kong's error body
    answer: bytes | None = None  # the whole body, where it is not that
    seen: dict[str, str | None] = field(default_factory=dict)
    target_saw: dict[str, str | None] | None = None

    def __str__(self) -> str:
        return f"{self.target} {self.status}"


SUCCESSES = [
    Row("/key-auth", ALICE, target_saw={"X-Consumer-Username": "alice", "apikey": None}),
    Row("/key-auth?apikey=alices-key", target_saw={"X-Consumer-Username": "alice"}),
    Row("/basic-auth", basic("alice:pa:ss"), target_saw={"X-Credential-Identifier": "alice",
        "Authorization": None}),
    Row("/basic-auth", basic("hashed:slow"), target_saw={"X-Credential-Identifier": "hashed"}),
    Row("/jwt", lambda: bearer(600), target_saw={"X-Credential-Identifier": "alices-issuer"}),
    Row("/hmac-auth", signature, target_saw={"X-Consumer-Username": "alice"}),
    Row("/acl", ALICE, target_saw={"X-Consumer-Groups": "staff"}),
    Row("/ip-restriction"),
    Row("/bot-detection", (("User-Agent", "Mozilla/5.0"),)),
    Row("/cors", (("Origin", "http://a.test"),), seen={"Access-Control-Allow-Origin": "http://a\\.test",
        "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}),
    Row("/cors", (("Origin", "http://a.test"), ("Access-Control-Request-Method", "GET")), "OPTIONS",
        answer=b"", seen={"Access-Control-Allow-Methods": "GET", "Access-Control-Max-Age": "60"}),
    Row("/correlation-id", seen={"X-Trace": UUID}, target_saw={"X-Trace": UUID}),
    Row("/correlation-id", (("X-Trace", "mine"),), seen={"X-Trace": "mine"}, target_saw={"X-Trace": "mine"}),
    Row("/request-size-limiting", (), "POST", b"0123456789"),
    Row("/request-termination"),
    Row("/request-transformer", (("X-Removed", "1"),), target_saw={"X-Added": "1", "X-Removed": None}),
    Row("/response-transformer", seen={"X-Added": "1", "X-Removed": None}),
    Row("/session", target_saw={"X-Consumer-Username": "nobody", "X-Anonymous-Consumer": "true"}),
    Row("/syslog"),
    Row("/prometheus"),
]  # fmt: skip
REFUSALS = [
    Row("/key-auth", status=401, message="No API key found in request", seen={"WWW-Authenticate": "Key"}),
    Row("/key-auth", (("apikey", "x"),), status=401, message="Unauthorized",
        seen={"WWW-Authenticate": "Key"}),
    Row("/basic-auth", status=401, message="Unauthorized",
        seen={"WWW-Authenticate": 'Basic realm="service"'}),
    Row("/basic-auth", basic("hashed:fast"), status=401, message="Unauthorized"),
    Row("/jwt", status=401, answer=b'{"message":"Unauthorized"}', seen={"WWW-Authenticate": "Bearer"}),
    Row("/jwt", lambda: bearer(-1), status=401, answer=b'{"exp":"token expired"}',
        seen={"WWW-Authenticate": 'Bearer error="invalid_token"'}),
    Row("/jwt", lambda: bearer(600, "another"), status=401, answer=b'{"message":"Invalid signature"}'),
    Row("/hmac-auth", status=401, message="Unauthorized", seen={"WWW-Authenticate": "hmac"}),
    Row("/hmac-auth", lambda: signature("another"), status=401, message="HMAC signature does not match"),
    Row("/acl", (("apikey", "bobs-key"),), status=403, message="You cannot consume this service"),
    Row("/ip-restriction", source_ip="127.0.0.2", status=403, message="IP address not allowed: 127.0.0.2"),
    Row("/bot-detection", (("User-Agent", "evil/1"),), status=403, message="Forbidden"),
    Row("/bot-detection", (("User-Agent", "Googlebot/2.1"),), status=403, message="Forbidden"),
    Row("/cors", (("Origin", "http://b.test"),), answer=b"origin",
        seen={"Access-Control-Allow-Origin": "http://a\\.test"}),
    Row("/redirect", status=308, answer=b"redirecting", seen={"Location": "https://new\\.test/a"}),
    Row("/request-size-limiting", (), "POST", b"0123456789a", status=413,
        message="Request size limit exceeded"),
    Row("/request-termination?X-Sunday", status=503, answer=b'{"message":"closed on Sundays"}'),
    Row("/session", (("apikey", "x"),), status=401, message="Unauthorized"),
]  # fmt: skip


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin(answer) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("plugins")
    with Gateway(write_plugin_routes(folder, origin.address, NO_PORTS)) as running:
        yield running
    assert "Traceback" not in str(running.log)


def answer(connection: OriginConnection) -> None:
    request = connection.receive()
    headers: Lines = (("Content-Type", "application/json"), ("X-Removed", "1"))
    if request.get("X-Uses") is not None:
        headers += (("X-Kong-Limit", "video=1"),)
    connection.answer(b"origin", headers=headers)


def error_body(response: Response, message: str) -> bytes:
    """Return Kong's error body for the request that this answers."""
    return b'{\n  "message":"%s",\n  "request_id":"%s"\n}' % (
        message.encode(),
        (response.get("X-Kong-Request-Id") or "").encode(),
    )


def check(response: Response, expected: dict[str, str | None]) -> None:
    for name, pattern in expected.items():
        value = response.get(name)
        assert value is None if pattern is None else re.fullmatch(pattern, value or ""), (name, response.raw)


@pytest.mark.parametrize("row", [*SUCCESSES, *REFUSALS], ids=str)
def test_row(gateway: Gateway, origin: Origin, row: Row) -> None:
    before = len(origin.requests)
    sent = row.sent() if callable(row.sent) else row.sent
    response = gateway.fetch(
        row.target, method=row.method, headers=sent, body=row.body, source_ip=row.source_ip
    )

    assert response.status == row.status, response.raw
    check(response, row.seen)
    if row.message is not None:
        assert response.body == error_body(response, row.message)
        assert response.get("Content-Type") == "application/json; charset=utf-8"
    else:
        assert response.body == (b"origin" if row.answer is None else row.answer)
    is_forwarded = response.body == b"origin"
    assert len(origin.requests) - before == is_forwarded
    for name, pattern in (row.target_saw or {}).items():
        value = origin.requests[-1].get(name)
        assert value is None if pattern is None else re.fullmatch(pattern, value or ""), name


def test_rate_limiting(gateway: Gateway) -> None:
    responses = [gateway.fetch("/rate-limiting", headers=[("X-Client", "a")]) for _ in range(3)]
    other = gateway.fetch("/rate-limiting", headers=[("X-Client", "b")])

    assert [response.status for response in responses] == [200, 200, 429]
    assert [response.get("X-RateLimit-Remaining-Year") for response in responses] == ["1", "0", "0"]
    assert responses[2].body == error_body(responses[2], "API rate limit exceeded")
    assert responses[2].get("Retry-After") == responses[2].get("RateLimit-Reset")
    assert int(responses[2].get("Retry-After") or 0) >= 1
    check(responses[2], {"X-RateLimit-Limit-Year": "2", "RateLimit-Limit": "2", "RateLimit-Remaining": "0"})
    assert other.status == 200


def test_response_ratelimiting(gateway: Gateway) -> None:
    uses = [("X-Uses", "1")]
    responses = [gateway.fetch("/response-ratelimiting", headers=uses) for _ in range(3)]

    assert [response.status for response in responses] == [200, 200, 429]
    assert [r.get("X-RateLimit-Remaining-Video-Year") for r in responses] == ["1", "0", "0"]


def test_proxy_cache(gateway: Gateway, origin: Origin) -> None:
    before = len(origin.requests)
    responses = [gateway.fetch("/proxy-cache/a") for _ in range(2)]
    posted = gateway.fetch("/proxy-cache/a", method="POST", body=b"x")

    assert [response.get("X-Cache-Status") for response in (*responses, posted)] == ["Miss", "Hit", "Bypass"]
    assert [response.body for response in responses] == [b"origin"] * 2
    assert re.fullmatch(r"\d+", responses[1].get("Age") or "")
    assert len(origin.requests) - before == 2


def test_session(gateway: Gateway, origin: Origin) -> None:
    login = gateway.fetch("/session", headers=[("apikey", "alices-key")])
    cookie = (login.get("Set-Cookie") or "").partition(";")[0]
    gateway.fetch("/session", headers=[("Cookie", cookie)])

    assert cookie.startswith("session=")
    assert origin.requests[-1].get("X-Consumer-Username") == "alice"
    forged = cookie[:-2] + ("AA" if cookie[-2:] != "AA" else "BB")
    gateway.fetch("/session", headers=[("Cookie", forged)])
    assert origin.requests[-1].get("X-Consumer-Username") == "nobody"


def test_a_hundred_kilobytes_of_credentials(gateway: Gateway) -> None:
    """Too large for a head: refused before any plugin sees it."""
    assert gateway.fetch("/key-auth", headers=[("apikey", "x" * 100_000)]).status == 431


@pytest.mark.parametrize("path", ["/key-auth", "/jwt", "/basic-auth", "/hmac-auth"])
def test_credentials_that_are_not_text(gateway: Gateway, path: str) -> None:
    headers = [("apikey", "\xff\xfe"), ("Authorization", "Bearer \xe4\xf6\xfc"), ("Cookie", "=;;\xff=")]

    assert gateway.fetch(path, headers=headers).status == 401
