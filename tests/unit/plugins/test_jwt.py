"""jwt, row by row of its page; tokens are signed here with the other half of each key."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt as jose
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from dbless_gateway.pdk.redaction import secret_names
from dbless_gateway.plugins import jwt
from tests.support.plugin_context import (
    START,
    FakeContext,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
)

KIND = "jwt_secrets"
SECRET = "a secret that is long enough for HS512: 0123456789abcdef0123456789abcdef"
NOW = int(START)
DEFAULTS: dict[str, Any] = {
    "uri_param_names": ["jwt"],
    "cookie_names": [],
    "key_claim_name": "iss",
    "secret_is_base64": False,
    "claims_to_verify": None,
    "anonymous": None,
    "run_on_preflight": True,
    "maximum_expiration": 0,
    "header_names": ["authorization"],
    "realm": None,
}


@cache
def _private_key(kind: str) -> Any:
    if kind in ("RS", "PS"):
        return rsa.generate_private_key(65537, 2048)
    curves: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
    if kind in curves:
        return ec.generate_private_key(curves[kind]())
    return ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else ed448.Ed448PrivateKey.generate()


def _public_pem(kind: str) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(_private_key(kind).public_key().public_bytes(serialization.Encoding.PEM, spki).decode())


def _part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _token(
    claims: Any = None, header: Any = None, secret: bytes = SECRET.encode(), digest: Any = hashlib.sha256
) -> str:
    """Return a token signed with HMAC, however strange its parts are."""
    parts = ({"alg": "HS256"} if header is None else header, {"iss": "hs"} if claims is None else claims)
    signed = ".".join(_part(part) for part in parts)
    return f"{signed}.{_part(hmac.new(secret, signed.encode(), digest).digest())}"


def _env(*credentials: Any) -> Any:
    return make_env(
        consumers=[make_consumer("c1", "alice"), make_consumer("c2", "nobody")],
        credentials=[
            make_credential("j1", KIND, "c1", key="hs", secret=SECRET, algorithm="HS256"),
            make_credential("j2", KIND, "gone", key="orphan", secret=SECRET, algorithm="HS256"),
            make_credential("j3", KIND, "c1", key="b64", secret=_part(b"\xfb\xff raw"), algorithm="HS256"),
            make_credential("j4", KIND, "c1", key="nokey", rsa_public_key=None, algorithm="ES256"),
            make_credential("j5", KIND, "c1", key="badkey", rsa_public_key="no pem", algorithm="RS256"),
            *credentials,
        ],
    )


def run(
    config: dict[str, Any],
    headers: list[tuple[str, str]],
    target: str = "/",
    env: Any = None,
) -> tuple[int, Any, FakeContext]:
    ctx = FakeContext(target=target, headers=headers)
    reply = make_handler(jwt, DEFAULTS | config, env or _env()).access(ctx)
    if reply is None:
        return 0, None, ctx
    body = json.loads(reply.body)
    return reply.status, body.get("message", body), ctx


def verify(token: str, config: dict[str, Any] | None = None, env: Any = None) -> tuple[int, Any]:
    return run(config or {}, [("Authorization", f"Bearer {token}")], env=env)[:2]


OK = (0, None)


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        *((name, "RS") for name in ("RS256", "RS384", "RS512")),
        *((name, "PS") for name in ("PS256", "PS384", "PS512")),
        *((name, name) for name in ("ES256", "ES384", "ES512")),
        ("EdDSA", "Ed25519"),
        ("EdDSA", "Ed448"),
    ],
)
def test_public_key_algorithms(algorithm: str, kind: str) -> None:
    credential = make_credential(
        "j9", KIND, "c1", key="pk", rsa_public_key=_public_pem(kind), algorithm=algorithm
    )
    token = jose.encode({"iss": "pk"}, _private_key(kind), algorithm)
    changed = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    env = _env(credential)

    assert verify(token, env=env) == OK
    assert verify(changed, env=env) == (401, "Invalid signature")
    assert verify(token[:-4], env=env) == (401, "Invalid signature")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_hmac_algorithms(algorithm: str) -> None:
    env = _env(make_credential("j9", KIND, "c1", key="h", secret=SECRET, algorithm=algorithm))

    assert verify(jose.encode({"iss": "h"}, SECRET, algorithm), env=env) == OK
    assert verify(jose.encode({"iss": "h"}, SECRET + "x", algorithm), env=env) == (401, "Invalid signature")


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("x", "Bad token; invalid JSON"),
        ("a.b.c", "Bad token; invalid JSON"),
        ("..", "Bad token; invalid JSON"),
        (f"{_part([1])}.{_part({})}.AAAA", "Bad token; invalid JSON"),
        (f"{_part({'alg': 'HS256'})}.{_part(b'[' * 100_000)}.AAAA", "Bad token; invalid JSON"),
        (_token({"iss": "hs", "exp": float("nan")}), "Bad token; invalid JSON"),
        (_token(header={}), "Bad token; invalid alg"),
        (_token(header={"alg": "none"}), "Bad token; invalid alg"),
        (_token(header={"alg": "HS1"}), "Bad token; invalid alg"),
        (_token(claims=[1]), "Bad token; invalid claims"),
        (_token(claims="text"), "Bad token; invalid claims"),
        (_token().rpartition(".")[0] + ".", "Bad token; invalid signature"),
        (_token() + "!", "Bad token; invalid signature"),
        (_token() + ".more", "Bad token; invalid signature"),
        (_token({"sub": "x"}), "No mandatory 'iss' in claims"),
        (_token({"iss": None}), "No mandatory 'iss' in claims"),
        (_token({"iss": ""}), "Invalid 'iss' in claims"),
        (_token({"iss": "unknown"}), "No credentials found for given 'iss'"),
        (_token({"iss": ["hs"]}), "No credentials found for given 'iss'"),
        (_token({"iss": "hs" * 50_000}), "No credentials found for given 'iss'"),
        (_token(header={"alg": "HS512"}, digest=hashlib.sha512), "Invalid algorithm"),
        (_token({"iss": "badkey"}, {"alg": "RS256"}), "Invalid key/secret"),
        (_token({"iss": "nokey"}, {"alg": "ES256"}), "Invalid key/secret"),
        (_token(secret=b"wrong"), "Invalid signature"),
    ],
)
def test_bad_tokens(token: str, message: str) -> None:
    assert verify(token) == (401, message)


def test_a_public_key_is_no_hmac_secret() -> None:
    """Algorithm confusion: sign with the public key as if it were a shared secret."""
    pem = _public_pem("RS")
    env = _env(make_credential("j9", KIND, "c1", key="pk", rsa_public_key=pem, secret="s", algorithm="RS256"))

    assert verify(_token({"iss": "pk"}, secret=pem.encode()), env=env) == (401, "Invalid algorithm")


def test_base64_secrets() -> None:
    token = _token({"iss": "b64"}, secret=b"\xfb\xff raw")

    assert verify(token, {"secret_is_base64": True}) == OK
    assert verify(token) == (401, "Invalid signature")
    env = _env(make_credential("j9", KIND, "c1", key="bad", secret="not base64!", algorithm="HS256"))
    assert verify(_token({"iss": "bad"}), {"secret_is_base64": True}, env) == (401, "Invalid key/secret")


@pytest.mark.parametrize(
    ("config", "headers", "target", "status"),
    [
        ({}, [], "/", 401),
        ({}, [("Authorization", "Bearer " + _token())], "/", 0),
        ({}, [("Authorization", "bearer  " + _token())], "/", 0),
        ({}, [("Authorization", "BEARER " + _token())], "/", 401),
        ({}, [("Authorization", _token())], "/", 401),
        ({}, [("Authorization", "Basic x, Bearer " + _token())], "/", 0),
        ({}, [], "/?jwt=" + _token(), 0),
        ({}, [], "/?jwt", 401),
        ({}, [], "/?jwt=", 401),
        ({"uri_param_names": ["t"]}, [], "/?t=" + _token(), 0),
        ({"uri_param_names": []}, [], "/?jwt=" + _token(), 401),
        ({"cookie_names": ["c"]}, [("Cookie", "a=1; c=" + _token())], "/", 0),
        ({"cookie_names": ["c"]}, [("Cookie", 'junk; c="' + _token() + '"')], "/", 0),
        ({"cookie_names": ["c"]}, [("Cookie", ";;=;c")], "/", 401),
        ({"header_names": ["X-Auth"]}, [("x-auth", "Bearer " + _token())], "/", 0),
        ({"header_names": ["X-Auth"]}, [("X-Auth", "Bearer " + _token()), ("X-Auth", "Bearer x")], "/", 0),
        ({"header_names": None}, [("Authorization", "Bearer " + _token())], "/", 0),
        ({}, [("Authorization", "Bearer " + _token())], "/?jwt=" + _token(), 0),
        ({}, [], f"/?jwt={_token()}&jwt={_token()}", 0),
        ({}, [("Authorization", "Bearer")], "/", 401),
        ({}, [("Authorization", "x"), ("Authorization", "Bearer " + _token())], "/", 401),
        ({"cookie_names": ["c"]}, [("Cookie", "c=" + _token()[:-3])], "/", 401),
        ({"cookie_names": ["c", "d"]}, [("Cookie", f"d={_token()}; c={_token()}")], "/", 0),
        ({"cookie_names": ["c"]}, [("Cookie", f"C={_token()}")], "/", 401),
        ({"header_names": ["CustomAuthorization"]}, [("CustomAuthorization", _token())], "/", 401),
        ({"header_names": ["a", "b"]}, [("b", "Bearer " + _token())], "/", 0),
        ({"header_names": []}, [("Authorization", "Bearer " + _token())], "/", 401),
        ({"uri_param_names": ["a", "b"]}, [], "/?b=" + _token(), 0),
    ],
)
def test_where_tokens_are_found(
    config: dict[str, Any], headers: list[tuple[str, str]], target: str, status: int
) -> None:
    assert run(config, headers, target)[0] == status


@pytest.mark.parametrize(
    "header",
    [{"alg": "HS256", "typ": "jwt"}, {"alg": "HS256", "typ": "JWT"}, {"alg": "HS256", "typ": 5, "x": None}],
)
def test_the_type_of_a_token_does_not_matter(header: dict[str, Any]) -> None:
    assert verify(_token(header=header)) == OK


def test_padding_is_tolerated() -> None:
    token = _token()

    assert verify(token + "=" * (-len(token.rpartition(".")[2]) % 4)) == OK


def test_a_damaged_token_in_a_cookie() -> None:
    headers = [("Cookie", "c=" + _token()[5:])]

    assert run({"cookie_names": ["c"]}, headers)[:2] == (401, "Bad token; invalid JSON")


def test_several_different_tokens() -> None:
    headers = [("Authorization", "Bearer " + _token())]

    assert run({}, headers, "/?jwt=x")[:2] == (401, "Multiple tokens provided")
    assert run({}, [], f"/?jwt={_token()}&jwt=x")[:2] == (401, "Multiple tokens provided")


@pytest.mark.parametrize(
    ("config", "claims", "expected"),
    [
        ({"claims_to_verify": ["exp"]}, {"exp": NOW + 1}, OK),
        ({"claims_to_verify": ["exp"]}, {"exp": NOW}, (401, {"exp": "token expired"})),
        ({"claims_to_verify": ["nbf"]}, {"nbf": NOW}, OK),
        ({"claims_to_verify": ["nbf"]}, {"nbf": NOW + 1}, (401, {"nbf": "token not valid yet"})),
        (
            {"claims_to_verify": ["exp", "nbf"]},
            {"exp": "5"},
            (401, {"exp": "must be a number", "nbf": "must be a number"}),
        ),
        ({"claims_to_verify": ["exp"]}, {"exp": NOW + 0.5}, OK),
        ({"claims_to_verify": ["exp"]}, {"nbf": NOW}, (401, {"exp": "must be a number"})),
        ({"claims_to_verify": ["nbf"]}, {"exp": 1}, (401, {"nbf": "must be a number"})),
        (
            {"claims_to_verify": ["exp", "nbf"]},
            {"exp": NOW, "nbf": NOW + 60},
            (401, {"exp": "token expired", "nbf": "token not valid yet"}),
        ),
        ({"claims_to_verify": []}, {"exp": 1, "nbf": NOW + 60}, OK),
        (
            {"maximum_expiration": 300, "claims_to_verify": ["exp"]},
            {"exp": NOW},
            (401, {"exp": "token expired"}),
        ),
        ({"claims_to_verify": ["exp"]}, {"exp": True}, (401, {"exp": "must be a number"})),
        ({}, {"exp": 1}, OK),
        ({"maximum_expiration": 300, "claims_to_verify": ["exp"]}, {"exp": NOW + 300}, OK),
        (
            {"maximum_expiration": 300, "claims_to_verify": ["exp"]},
            {"exp": NOW + 302},
            (401, {"exp": "exceeds maximum allowed expiration"}),
        ),
        ({"maximum_expiration": 300}, {}, (401, {"exp": "exceeds maximum allowed expiration"})),
    ],
)
def test_times(config: dict[str, Any], claims: dict[str, Any], expected: tuple[int, Any]) -> None:
    assert verify(_token({"iss": "hs"} | claims), config) == expected


def test_the_key_claim() -> None:
    assert verify(_token({"sub": "hs"}), {"key_claim_name": "sub"}) == OK
    assert verify(_token({}, {"alg": "HS256", "kid": "hs"}), {"key_claim_name": "kid"}) == OK
    both = _token({"kid": "hs"}, {"alg": "HS256", "kid": "unknown"})
    assert verify(both, {"key_claim_name": "kid"}) == OK
    missing = (401, "No mandatory 'sub' in claims")
    assert verify(_token(), {"key_claim_name": "sub"}) == missing


@pytest.mark.parametrize(
    ("realm", "missing", "invalid"),
    [
        (None, "Bearer", 'Bearer error="invalid_token"'),
        ("R", 'Bearer realm="R"', 'Bearer realm="R", error="invalid_token"'),
    ],
)
def test_the_challenge(realm: str | None, missing: str, invalid: str) -> None:
    handler = make_handler(jwt, DEFAULTS | {"realm": realm}, _env())
    replies = [handler.access(FakeContext(target=target)) for target in ("/", "/?jwt=x")]

    assert [dict(reply.headers)["WWW-Authenticate"] for reply in replies] == [missing, invalid]
    assert replies[0].body == b'{"message":"Unauthorized"}'


def test_a_consumer_that_is_gone() -> None:
    reply = make_handler(jwt, DEFAULTS, _env()).access(
        FakeContext(target="/?jwt=" + _token({"iss": "orphan"}))
    )

    assert (reply.status, reply.body) == (401, b'{"message":"Could not find consumer for \'iss=orphan\'"}')
    assert "WWW-Authenticate" not in dict(reply.headers)


def test_success_is_shared_with_later_plugins_and_the_target() -> None:
    _, _, ctx = run({}, [], "/?jwt=" + _token())

    assert ctx.shared["authenticated_jwt_token"] == _token()
    assert ctx.upstream.headers.get("X-Credential-Identifier") == "hs"
    assert ctx.upstream.query == "jwt=" + _token()


def test_anonymous_and_preflight_and_grpc() -> None:
    _, _, ctx = run({"anonymous": "nobody"}, [("Authorization", "Bearer x")])
    assert ctx.consumer is not None
    assert ctx.consumer.id == "c2"

    handler = make_handler(jwt, DEFAULTS | {"run_on_preflight": False}, _env())
    assert handler.access(FakeContext("OPTIONS")) is None
    reply = handler.access(FakeContext(headers=[("content-type", "application/grpc")]))
    assert dict(reply.headers)["grpc-status"] == "16"
    assert dict(reply.headers)["grpc-message"] == "Unauthorized"


def test_tokens_are_kept_out_of_logs() -> None:
    env = _env()
    make_handler(jwt, DEFAULTS | {"uri_param_names": ["Token"], "header_names": ["X-Auth"]}, env)

    assert {"token", "x-auth"} <= secret_names(env.identities)
