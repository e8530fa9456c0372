"""Credentials and bodies as nobody should send them, to real plugins: refused in Kong's words, logged nowhere.

The head may be large here, so that plugins and not the gateway's limits have to cope with it. Whatever
a row sends as a credential contains ``SECRET``, and no log may hold that.
"""

from __future__ import annotations

import hmac
import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.client import Client
from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin

SECRET = "S3cr3tOfNobody"
HUGE = SECRET + "x" * 100_000
PUBLIC_KEY = (
    rsa.generate_private_key(65537, 2048)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
HS_SECRET = "the secret of bob's issuer, 32 bytes"
Lines = tuple[tuple[str, str], ...]


def encoded(part: bytes | dict[str, Any]) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def token(claims: bytes | dict[str, Any], header: Any = None, key: str = HS_SECRET) -> str:
    """Return a token with any header and claims, signed with HMAC whatever the header says."""
    signed = f"{encoded(header or {'alg': 'HS256'})}.{encoded(claims)}"
    return f"{signed}.{encoded(hmac.digest(key.encode(), signed.encode(), 'sha256'))}"


def bearer(text: str) -> Lines:
    return (("Authorization", f"Bearer {text}"),)


def basic(text: bytes) -> Lines:
    return (("Authorization", "Basic " + b64encode(text).decode()),)


def claims(**changes: Any) -> dict[str, Any]:
    return {"iss": "bob", "exp": time.time() + 600, "note": SECRET} | changes


def hmac_line(**parts: str) -> Lines:
    known = {"username": "alice", "algorithm": "hmac-sha256", "headers": "date", "signature": SECRET} | parts
    text = ", ".join(f'{name}="{value}"' for name, value in known.items())
    return (("Authorization", f"hmac {text}"),)


@dataclass(frozen=True)
class Row:
    """``said`` is part of the answer; None where only the status is Kong's."""

    name: str
    path: str
    headers: Lines = ()
    said: str | None = None
    status: int = 401
    method: str = "GET"
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.path} {self.name}"


FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
JSON = (("Content-Type", "application/json"),)
UNKNOWN = "Unauthorized"
KEYS = [
    Row("100 KB", "/key", (("apikey", HUGE),), UNKNOWN),
    Row("non-ASCII", "/key", (("apikey", f"{SECRET}\xff\xfe"),), UNKNOWN),
    Row(
        "duplicated header", "/key", (("apikey", "alices-key"), ("apikey", SECRET)), "Duplicate API key found"
    ),
    Row("duplicated argument", f"/key?apikey=alices-key&apikey={SECRET}", (), "Duplicate API key found"),
    Row("header before argument", "/key?apikey=alices-key", (("apikey", SECRET),), UNKNOWN),
    Row("argument without value", "/key?apikey", ()),
    Row("empty", "/key", (("apikey", ""),)),
    Row("a digest is no key", "/key", (("apikey", "sha256:" + "0" * 64),), UNKNOWN),
    Row("JSON that is none", "/key", JSON, "No API key found in request", method="POST", body=b'{"apikey": '),
    Row(
        "JSON of 20,000 levels",
        "/key",
        JSON,
        "No API key found in request",
        method="POST",
        body=b"[" * 20_000,
    ),
    Row("JSON with a number", "/key", JSON, None, method="POST", body=b'{"apikey": 5}'),
    Row(
        "form that is none", "/key", FORM, "No API key found in request", method="POST", body=b"\xff=\xfe&%zz"
    ),
]
PASSWORDS = [
    Row("100 KB", "/basic", basic(f"alice:{HUGE}".encode()), UNKNOWN),
    Row("non-ASCII", "/basic", basic(f"alice:{SECRET}ä".encode("latin-1")), UNKNOWN),
    Row("no colon", "/basic", basic(SECRET.encode()), UNKNOWN),
    Row("nothing", "/basic", (("Authorization", "Basic "),), UNKNOWN),
    Row("no base64", "/basic", (("Authorization", f"Basic {SECRET}==="),), UNKNOWN),
    Row("only a colon", "/basic", basic(b":"), UNKNOWN),
    Row("NUL", "/basic", basic(f"alice\0:{SECRET}".encode()), UNKNOWN),
    Row("another scheme", "/basic", bearer(SECRET), UNKNOWN),
]
TOKENS = [
    Row("100 KB", "/jwt", bearer(HUGE), "Bad token"),
    Row("non-ASCII", "/jwt", bearer(f"{SECRET}.\xff.\xfe"), "Bad token"),
    Row("alg none", "/jwt", bearer(f"{encoded({'alg': 'none'})}.{encoded(claims())}."), "invalid alg"),
    Row("alg nOnE", "/jwt", bearer(token(claims(), {"alg": "nOnE"})), "invalid alg"),
    Row("no alg", "/jwt", bearer(token(claims(), {"typ": "JWT"})), "invalid alg"),
    Row("alg of another type", "/jwt", bearer(token(claims(), {"alg": ["HS256"]})), "invalid alg"),
    Row(
        "a public key as secret",
        "/jwt",
        bearer(token(claims(iss="rsa"), key=PUBLIC_KEY)),
        "Invalid algorithm",
    ),
    Row("HS512 for HS256", "/jwt", bearer(token(claims(), {"alg": "HS512"})), "Invalid algorithm"),
    Row("no signature", "/jwt", bearer(".".join([*token(claims()).split(".")[:2], ""])), None),
    Row("huge claims", "/jwt", bearer(token(claims(x="y" * 60_000, iss="nobody"))), "No credentials found"),
    Row("claims are a list", "/jwt", bearer(token(b"[1]")), "Bad token"),
    Row("claims are no JSON", "/jwt", bearer(token(SECRET.encode())), "Bad token"),
    Row("claims of 20,000 levels", "/jwt", bearer(token(b"[" * 20_000)), "Bad token"),
    Row("header of 20,000 levels", "/jwt", bearer(token(claims(), b"[" * 20_000)), "Bad token"),
    Row("issuer is a number", "/jwt", bearer(token(claims(iss=5)))),
    Row("issuer is a record", "/jwt", bearer(token(claims(iss={"a": 1})))),
    Row("issuer is null", "/jwt", bearer(token(claims(iss=None))), "No mandatory 'iss' in claims"),
    Row("exp is text", "/jwt", bearer(token(claims(exp="later"))), "must be a number"),
    Row("exp is true", "/jwt", bearer(token(claims(exp=True))), "must be a number"),
    Row("exp is NaN", "/jwt", bearer(token(claims(exp=float("nan"))))),
    Row("exp is past all numbers", "/jwt", bearer(token(b'{"iss": "bob", "exp": -1e999}')), "token expired"),
    Row("several tokens", f"/jwt?jwt={token(claims())}", bearer(SECRET), "Multiple tokens provided"),
    Row("algorithm is a record", "/jwt", bearer(token(claims(), {"alg": {"a": 1}})), "invalid alg"),
    Row("key id is a list", "/jwt", bearer(token(claims(iss="nobody"), {"alg": "HS256", "kid": [1]}))),
    Row("of several headers the first", "/jwt", bearer(SECRET) + bearer(token(claims())), "Bad token"),
]
OTHERS = [
    Row("no parameters", "/hmac", (("Authorization", f"hmac {SECRET}"),)),
    Row("100 KB", "/hmac", hmac_line(signature=HUGE)),
    Row("non-ASCII", "/hmac", hmac_line(username="\xff\xfe")),
    Row("unknown algorithm", "/hmac", hmac_line(algorithm="none")),
    Row("no base64", "/hmac", hmac_line()),
    Row("a date that is none", "/hmac", (*hmac_line(), ("Date", "yesterday"))),
    Row("cookies that are none", "/session", (("Cookie", f"=;;;\xff={SECRET}; session; session==;, a"),), None, 200),
    Row("100 KB cookie", "/session", (("Cookie", f"session={HUGE}"),), None, 200),
    Row("two sessions", "/session", (("Cookie", f"session={SECRET}; session={SECRET}"),), None, 200),
    Row("JSON that is none", "/body", JSON, None, 200, "POST", b'{"a": '),
    Row("JSON of 20,000 levels", "/body", JSON, None, 200, "POST", b"[" * 20_000),
    Row("JSON that is a text", "/body", JSON, None, 200, "POST", b'"a"'),
    Row("form that is JSON", "/body", FORM, None, 200, "POST", b'{"a": 1}'),
    Row("parts without a boundary", "/body", (("Content-Type", "multipart/form-data"),), None, 200, "POST", b"--x"),
]  # fmt: skip


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("bad-input")
    plugins: dict[str, dict[str, Any]] = {
        "/key": {"name": "key-auth", "config": {"key_in_body": True}},
        "/basic": {"name": "basic-auth"},
        "/jwt": {"name": "jwt", "config": {"claims_to_verify": ["exp"]}},
        "/hmac": {"name": "hmac-auth", "config": {"validate_request_body": True}},
        "/session": {"name": "session", "config": {"storage": "cookie", "read_body_for_logout": True}},
        "/body": {"name": "request-transformer", "config": {"add": {"body": ["b:2"]}}},
    }
    consumers = [
        {
            "username": "alice",
            "keyauth_credentials": [{"key": "alices-key"}],
            "basicauth_credentials": [{"username": "alice", "password": "pass"}],
            "hmacauth_credentials": [{"username": "alice", "secret": "s"}],
            "jwt_secrets": [
                {"key": "bob", "secret": HS_SECRET},
                {"key": "rsa", "algorithm": "RS256", "rsa_public_key": PUBLIC_KEY},
            ],
        }
    ]
    file = write(
        folder,
        *(service(origin.address, path, plugins=[plugin]) for path, plugin in plugins.items()),
        consumers=consumers,
        plugins=[{"name": "file-log", "config": {"path": str(folder / "requests.log")}}],
    )
    environment = {
        "KONG_NGINX_HTTP_LARGE_CLIENT_HEADER_BUFFERS": "4 256k",
        "KONG_NGINX_HTTP_CLIENT_BODY_BUFFER_SIZE": "256k",
        "KONG_LOG_LEVEL": "debug",
        "KONG_PROXY_ACCESS_LOG": str(folder / "access.log"),
    }
    with Gateway(file, environment=environment) as running:
        yield running
    said = str(running.log)
    records = (folder / "requests.log").read_text("utf-8")
    assert "Traceback" not in said
    assert len(records.splitlines()) >= len(KEYS)
    for log in (said, records, (folder / "access.log").read_text("utf-8", "replace")):
        for secret in (SECRET, encoded(SECRET.encode()), "alices-key", token(claims())[:40], HS_SECRET):
            found = log.find(secret)
            assert found < 0, log[max(0, found - 300) : found + 50]


@pytest.mark.parametrize("row", [*KEYS, *PASSWORDS, *TOKENS, *OTHERS], ids=str)
def test_row(gateway: Gateway, row: Row) -> None:
    with Client(gateway.port) as client:
        response = client.request(row.method, row.path, row.headers, row.body)
        assert response.status == row.status, response.body
        if row.said is not None:
            assert row.said in response.body.decode()
        # The connection is none the worse for it.
        assert client.request("POST", "/body", JSON, b"{}").status == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/key", (("apikey", "alices-key"),)),
        ("/basic", basic(b"alice:pass")),
        ("/jwt", bearer(token(claims(iss="bob")))),
    ],
)
def test_the_right_credentials_are_let_in(gateway: Gateway, path: str, headers: Lines) -> None:
    assert gateway.fetch(path, headers=headers).status == 200


@pytest.mark.parametrize("body", [row.body for row in OTHERS if row.path == "/body"])
def test_body_that_is_not_what_it_says_passes_unchanged(
    gateway: Gateway, origin: Origin, body: bytes
) -> None:
    gateway.fetch("/body", method="POST", headers=JSON, body=body)
    if body == b'{"a": 1}':
        assert json.loads(origin.requests[-1].body) == {"a": 1, "b": "2"}
    else:
        assert origin.requests[-1].body == body


def test_what_is_sent_can_be_said_in_urls() -> None:
    """A guard of the table: its secret looks the same in a URL, so that a log cannot hide it."""
    assert quote(SECRET) == SECRET


def test_files_hold_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """Nothing but the log that was asked for is written anywhere near the configuration."""
    folder = gateway.files[0].parent
    assert {path.name for path in folder.iterdir()} <= {"kong.yaml", "requests.log", "access.log"}
