"""hmac-auth, row by row of its page."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from email.utils import formatdate
from typing import Any

import pytest

from dbless_gateway.plugins import hmac_auth
from tests.support.plugin_context import (
    START,
    FakeContext,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
)

KIND = "hmacauth_credentials"
DATE = formatdate(START, usegmt=True)
OLD = formatdate(START - 301, usegmt=True)
DEFAULTS: dict[str, Any] = {
    "hide_credentials": False,
    "clock_skew": 300,
    "anonymous": None,
    "validate_request_body": False,
    "enforce_headers": [],
    "algorithms": ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"],
    "realm": None,
}
ENV = make_env(
    consumers=[make_consumer("c1", "alice"), make_consumer("c2", "nobody")],
    credentials=[
        make_credential("h1", KIND, "c1", username="bob", secret="secret"),
        make_credential("h2", KIND, "c1", username="jürgen", secret="secret"),
        make_credential("h3", KIND, "c1", username="open", secret=""),
        make_credential("h4", KIND, "gone", username="orphan", secret="secret"),
    ],
)


def sign(
    signed: str,
    headers: str = "date",
    user: str = "bob",
    algorithm: str = "hmac-sha256",
    secret: str = "secret",
) -> str:
    digest = algorithm.removeprefix("hmac-")
    mac = (
        hmac.digest(secret.encode(), signed.encode(), digest)
        if digest in hashlib.algorithms_available
        else b""
    )
    signature = b64encode(mac).decode()
    return f'hmac username="{user}", algorithm="{algorithm}", headers="{headers}", signature="{signature}"'


def run(
    headers: list[tuple[str, str]], config: dict[str, Any] | None = None, **request: Any
) -> tuple[int, str, FakeContext]:
    ctx = FakeContext(headers=[*headers, ("Accept", "text/plain")], **request)
    reply = make_handler(hmac_auth, DEFAULTS | (config or {}), ENV).access(ctx)
    return (reply.status, reply.body.decode().partition("\n")[0], ctx) if reply else (0, "", ctx)


GOOD = ("Authorization", sign(f"date: {DATE}"))
NO_DATE = (
    "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"
)
NOT_VERIFIED = "HMAC signature cannot be verified"
NO_MATCH = "HMAC signature does not match"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], (401, "Unauthorized")),
        ([GOOD, ("Date", DATE)], (0, "")),
        ([GOOD], (401, NO_DATE)),
        ([GOOD, ("Date", OLD)], (401, NO_DATE)),
        ([GOOD, ("Date", "yesterday")], (401, NO_DATE)),
        ([GOOD, ("Date", "Tue, 99 Nov 999999999999 00:00:00 GMT")], (401, NO_DATE)),
        ([("Authorization", sign(f"date: {OLD}")), ("Date", OLD), ("X-Date", DATE)], (0, "")),
        ([GOOD, ("Date", DATE), ("X-Date", "junk")], (0, "")),
        # Every form of an HTTP date, and what is none.
        ([("Authorization", sign("x:", "x")), ("Date", "Tuesday, 14-Nov-23 22:13:20 GMT")], (0, "")),
        ([("Authorization", sign("x:", "x")), ("Date", "Tue Nov 14 22:13:20 2023")], (0, "")),
        (
            [("Authorization", sign("x:", "x")), ("Date", "Tue, 14 Nov 2023 23:13:20 +0100")],
            (401, NO_DATE),
        ),
        # The date need not be signed, and it may be ahead.
        ([("Authorization", sign("x:", "x")), ("Date", formatdate(START + 299, usegmt=True))], (0, "")),
        (
            [("Authorization", sign("x:", "x")), ("Date", formatdate(START + 302, usegmt=True))],
            (401, NO_DATE),
        ),
        ([("Authorization", sign("x:", "x")), ("X-Date", DATE)], (0, "")),
        (
            [("Authorization", sign("date: junk", "date")), ("Date", "junk"), ("X-Date", DATE)],
            (0, ""),
        ),
        ([("Proxy-Authorization", GOOD[1])], (401, NO_DATE)),
        ([("Authorization", "hello"), ("Date", DATE)], (401, NOT_VERIFIED)),
        ([("Authorization", sign("", user="ghost")), ("Date", DATE)], (401, NOT_VERIFIED)),
        (
            [("Authorization", sign(f"date: {DATE}", user="open", secret="")), ("Date", DATE)],
            (401, NOT_VERIFIED),
        ),
        ([("Authorization", sign("", algorithm="hmac-md5")), ("Date", DATE)], (401, NOT_VERIFIED)),
        ([("Authorization", sign(f"date: {DATE}", secret="other")), ("Date", DATE)], (401, NO_MATCH)),
        ([("Authorization", GOOD[1][:-3] + '!!"'), ("Date", DATE)], (401, NO_MATCH)),
        (
            [("Authorization", sign(f"date: {DATE}", user="orphan")), ("Date", DATE)],
            (500, "An unexpected error occurred"),
        ),
        ([("Proxy-Authorization", GOOD[1]), ("Authorization", "x"), ("Date", DATE)], (0, "")),
        ([("Proxy-Authorization", "hello"), GOOD, ("Date", DATE)], (0, "")),
        ([("Proxy-Authorization", sign("", user="ghost")), GOOD, ("Date", DATE)], (401, NOT_VERIFIED)),
        (
            [("Authorization", GOOD[1].replace("hmac user", "Hmac user").replace(", ", ",")), ("Date", DATE)],
            (0, ""),
        ),
        ([("Authorization", GOOD[1].replace(", ", ",   ")), ("Date", DATE)], (0, "")),
        ([("Authorization", "Signed by: " + GOOD[1]), ("Date", DATE)], (0, "")),
        ([("Authorization", GOOD[1].replace("hmac user", "HMAC user")), ("Date", DATE)], (401, NOT_VERIFIED)),
        (
            [("Authorization", f'hmac algorithm="hmac-sha256", {GOOD[1][5:]}'), ("Date", DATE)],
            (401, NOT_VERIFIED),
        ),
        ([("Authorization", "hmac " + 'username="' * 10_000), ("Date", DATE)], (401, NOT_VERIFIED)),
        (
            [
                ("Authorization", sign(f"date: {DATE}", user="jürgen").encode().decode("latin-1")),
                ("Date", DATE),
            ],
            (0, ""),
        ),
    ],
)
def test_who_is_let_in(headers: list[tuple[str, str]], expected: tuple[int, str]) -> None:
    assert run(headers)[:2] == expected


@pytest.mark.parametrize("algorithm", DEFAULTS["algorithms"])
def test_algorithms(algorithm: str) -> None:
    headers = [("Authorization", sign(f"date: {DATE}", algorithm=algorithm)), ("Date", DATE)]

    assert run(headers)[0] == 0
    others = [name for name in DEFAULTS["algorithms"] if name != algorithm]
    assert run(headers, {"algorithms": others})[:2] == (401, NOT_VERIFIED)


@pytest.mark.parametrize(
    ("names", "signed", "status"),
    [
        ("date request-line", f"date: {DATE}\nGET /a%20b?c=1 HTTP/1.1", 0),
        ("date request-line", f"date: {DATE}\nGET /a b?c=1 HTTP/1.1", 401),
        ("date request-line", f"date: {DATE}\nGET /a%20b HTTP/1.1", 401),
        ("date @request-target", f"date: {DATE}\n@request-target: get /a%20b?c=1", 0),
        ("Date x-one", f"Date: {DATE}\nx-one: 1", 0),
        ("date x-none", f"date: {DATE}\nx-none:", 0),
        ("date x-none", f"date: {DATE}\nx-none: ", 401),
    ],
)
def test_what_is_signed(names: str, signed: str, status: int) -> None:
    headers = [("Authorization", sign(signed, names)), ("Date", DATE), ("X-One", "1"), ("X-One", "2")]

    assert run(headers, target="/a%20b?c=1")[0] == status


@pytest.mark.parametrize("version", ["1.0", "1.1", "2.0"])
def test_the_request_line_has_the_version(version: str) -> None:
    ctx = FakeContext(
        "DELETE",
        "/a",
        [("Authorization", sign(f"DELETE /a HTTP/{version}", "request-line")), ("Date", DATE)],
    )
    ctx.http_version = version

    assert make_handler(hmac_auth, DEFAULTS, ENV).access(ctx) is None


@pytest.mark.parametrize(
    ("enforced", "status"), [(["date"], 0), (["Date"], 401), (["date", "request-line"], 401), ([], 0)]
)
def test_enforced_headers(enforced: list[str], status: int) -> None:
    assert run([GOOD, ("Date", DATE)], {"enforce_headers": enforced})[0] == status


def _digest(body: bytes) -> str:
    return "SHA-256=" + b64encode(hashlib.sha256(body).digest()).decode()


@pytest.mark.parametrize(
    ("body", "digest", "status"),
    [
        (b"", None, 0),
        (b"x", None, 401),
        (b"x", _digest(b"x"), 0),
        (b"x", _digest(b"y"), 401),
        (b"", _digest(b""), 0),
        (b"x", "é", 401),
        (b"x", _digest(b"x").replace("SHA-256", "sha-256"), 401),
        (b"x", _digest(b"x").replace("SHA-256", "SHA-512"), 401),
    ],
)
def test_the_body(body: bytes, digest: str | None, status: int) -> None:
    headers = [GOOD, ("Date", DATE), *([("Digest", digest)] if digest else [])]

    assert run(headers, {"validate_request_body": True}, body=body)[0] == status


def test_a_body_that_was_not_buffered_cannot_be_right() -> None:
    ctx = FakeContext(headers=[GOOD, ("Date", DATE)])
    ctx.request_body = None
    handler = make_handler(hmac_auth, DEFAULTS | {"validate_request_body": True}, ENV)

    assert handler.access(ctx).status == 401


def test_hide_credentials() -> None:
    config = {"hide_credentials": True}
    _, _, ctx = run([GOOD, ("Date", DATE)], config)
    assert ctx.upstream.headers.get("Authorization") is None

    _, _, ctx = run([("Proxy-Authorization", GOOD[1]), ("Authorization", "x"), ("Date", DATE)], config)
    assert ctx.upstream.headers.get("Proxy-Authorization") is None
    assert ctx.upstream.headers.get("Authorization") == "x"

    # What did not parse stays; the header that was tried last goes, even when it is refused.
    status, _, ctx = run([("Proxy-Authorization", "x"), ("Authorization", "y"), ("Date", DATE)], config)
    assert status == 401
    assert ctx.upstream.headers.get("Proxy-Authorization") == "x"
    assert ctx.upstream.headers.get("Authorization") is None

    assert run([GOOD, ("Date", DATE)])[2].upstream.headers.get("Authorization") == GOOD[1]


@pytest.mark.parametrize(("realm", "expected"), [(None, "hmac"), ("R", 'hmac realm="R"')])
@pytest.mark.parametrize("headers", [[], [GOOD], [("Authorization", "x"), ("Date", DATE)]])
def test_every_401_challenges(realm: str | None, expected: str, headers: list[tuple[str, str]]) -> None:
    reply = make_handler(hmac_auth, DEFAULTS | {"realm": realm}, ENV).access(FakeContext(headers=headers))

    assert dict(reply.headers)["WWW-Authenticate"] == expected


def test_the_target_learns_the_user_name_and_anonymous() -> None:
    _, _, ctx = run([GOOD, ("Date", DATE)])
    assert ctx.upstream.headers.get("X-Credential-Identifier") == "bob"

    status, _, ctx = run([], {"anonymous": "nobody"})
    assert status == 0
    assert ctx.consumer is not None
    assert ctx.consumer.id == "c2"


def test_grpc() -> None:
    ctx = FakeContext(headers=[("content-type", "application/grpc")])
    reply = make_handler(hmac_auth, DEFAULTS, ENV).access(ctx)

    assert (dict(reply.headers)["grpc-status"], reply.status) == ("16", 401)


@pytest.mark.parametrize(
    ("clock_skew", "status"), [(0.5, 0), (0.2, 401)], ids=["within the skew", "beyond the skew"]
)
def test_the_clock_skew_is_configured(clock_skew: float, status: int) -> None:
    # The date of START is a quarter of a second behind it.
    assert run([GOOD, ("Date", DATE)], {"clock_skew": clock_skew})[0] == status


def test_defaults_of_nulls() -> None:
    handler = make_handler(
        hmac_auth, DEFAULTS | {"clock_skew": None, "algorithms": None, "enforce_headers": None}, ENV
    )

    assert handler.access(FakeContext(headers=[GOOD, ("Date", DATE)])) is None
