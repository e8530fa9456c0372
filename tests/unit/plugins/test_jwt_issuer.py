"""jwt with the keys of an issuer: a real server publishes them, changes them and goes away."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Any

import jwt as jose
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import jwt
from tests.support.authority import Authority, Pem
from tests.support.plugin_context import (
    START,
    FakeContext,
    FakeHost,
    make_consumer,
    make_credential,
    make_env,
    make_handler,
)
from tests.support.sinks import TcpSink

NOW = int(START)
DEFAULTS: dict[str, Any] = {
    "uri_param_names": ["jwt"],
    "key_claim_name": "iss",
    "secret_is_base64": False,
    "run_on_preflight": True,
    "header_names": ["authorization"],
}
SECRET = "a secret that is long enough for HS256"
CLAIMS = {"iss": "https://login.test", "sub": "user-1", "aud": ["api", "other"], "exp": NOW + 600}


@cache
def private_key(name: str) -> Any:
    return (
        ec.generate_private_key(ec.SECP256R1()) if name[0] == "e" else rsa.generate_private_key(65537, 2048)
    )


def published(name: str, **members: Any) -> dict[str, Any]:
    algorithm = jose.get_algorithm_by_name("ES256" if name[0] == "e" else "RS256")
    jwk = algorithm.to_jwk(private_key(name).public_key(), as_dict=True)
    return {name: value for name, value in jwk.items() if name != "key_ops"} | members


def signed(name: str = "e1", kid: str | None = "e1", alg: str = "", **claims: Any) -> str:
    """Return a token of the issuer; a claim of None is left out."""
    algorithm = alg or ("ES256" if name[0] == "e" else "RS256")
    body = {key: value for key, value in (CLAIMS | claims).items() if value is not None}
    return jose.encode(body, private_key(name), algorithm, headers={"kid": kid} if kid else None)


class Issuer(TcpSink):
    """Publishes documents by path; hangs up while it is away."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.documents: dict[str, Any] = {"/keys": {"keys": [published("e1", kid="e1")]}}
        self.asked: list[str] = []
        self.is_away = False

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.asked.append(path)
        if self.is_away:
            return
        document = self.documents.get(path)
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        status = b"404 Not Found" if document is None else b"200 OK"
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)) + body
        )
        await writer.drain()

    @property
    def base(self) -> str:
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"


class Stage:
    """A handler, its issuer, and a clock that a test moves."""

    def __init__(self, issuer: Issuer, config: dict[str, Any]) -> None:
        self.issuer = issuer
        self.host = FakeHost()
        self.ctx = FakeContext()
        self.waited = False
        env = make_env(
            self.host,
            consumers=[
                make_consumer("c1", "alice", "user-1"),
                make_consumer("c2", "user-2"),
                make_consumer("user-3", "x"),
            ],
            credentials=[
                make_credential("j1", "jwt_secrets", "c1", key="own", secret=SECRET, algorithm="HS256")
            ],
        )
        values = DEFAULTS | {"jwks_uri": f"{issuer.base}/keys"} | config
        self.handler = make_handler(jwt, values, env)

    async def ask(self, token: str) -> tuple[int, Any]:
        """Return status and message; (0, consumer) when the token is accepted."""
        self.ctx = FakeContext(headers=[("Authorization", f"Bearer {token}")])
        outcome = self.handler.access(self.ctx)
        self.waited = hasattr(outcome, "__await__")
        reply = await outcome if self.waited else outcome
        if reply is None:
            return 0, self.ctx.consumer and self.ctx.consumer.username
        body = json.loads(reply.body)
        return reply.status, body.get("message", body)


def play(
    scenario: Callable[[Stage], Coroutine[Any, Any, None]],
    tls: ssl.SSLContext | None = None,
    trusted_file: Path | None = None,
    **config: Any,
) -> None:
    async def run() -> None:
        async with Issuer(tls) as issuer:
            stage = Stage(issuer, config)
            stage.host.trusted_file = str(trusted_file) if trusted_file else None
            await scenario(stage)
            for resource in stage.host.resources.values():
                await resource.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("config", "token", "expected"),
    [
        ({}, {}, (0, None)),
        ({}, {"kid": None}, (0, None)),
        ({}, {"exp": NOW}, (401, {"exp": "token expired"})),
        ({}, {"exp": None}, (401, {"exp": "must be a number"})),
        ({}, {"nbf": NOW + 9}, (401, {"nbf": "token not valid yet"})),
        ({}, {"name": "e2"}, (401, "Invalid signature")),
        ({}, {"kid": "e9"}, (401, "No key found for given token")),
        ({}, {"name": "r1"}, (401, "No key found for given token")),
        ({}, {"sub": None}, (401, "No mandatory 'sub' in claims")),
        ({}, {"sub": "a\r\nX-Consumer-ID: admin"}, (401, "Invalid 'sub' in claims")),
        ({}, {"sub": "x" * 256}, (401, "Invalid 'sub' in claims")),
        ({"algorithms": ["RS256", "ES256"]}, {}, (0, None)),
        ({"algorithms": ["RS256"]}, {}, (401, "Invalid algorithm")),
        ({"issuer": "https://login.test"}, {}, (0, None)),
        ({"issuer": "https://login.test"}, {"iss": "https://evil.test"}, (401, "Invalid issuer")),
        ({"audiences": ["x", "api"]}, {}, (0, None)),
        ({"audiences": ["x", "api"]}, {"aud": "api"}, (0, None)),
        ({"audiences": ["x"]}, {}, (401, "Invalid audience")),
        ({"audiences": ["x"]}, {"aud": None}, (401, "Invalid audience")),
        ({"consumer_claim": "sub"}, {}, (0, "alice")),
        ({"consumer_claim": "sub"}, {"sub": "user-2"}, (0, "user-2")),
        ({"consumer_claim": "sub"}, {"sub": "user-3"}, (401, "Could not find consumer for 'sub=user-3'")),
        ({"consumer_claim": "email"}, {}, (401, "No mandatory 'email' in claims")),
        ({"maximum_expiration": 60}, {}, (401, {"exp": "exceeds maximum allowed expiration"})),
    ],
)
def test_who_is_let_in(config: dict[str, Any], token: dict[str, Any], expected: tuple[int, Any]) -> None:
    async def scenario(stage: Stage) -> None:
        assert await stage.ask(signed(**token)) == expected

    play(scenario, **config)


def test_the_target_learns_the_subject() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.ask(signed())
        assert stage.ctx.upstream.headers.get("X-Credential-Identifier") == "user-1"
        assert stage.ctx.credential is not None
        assert stage.ctx.credential.id == "user-1"

    play(scenario)


def test_credentials_of_the_file_come_first_and_a_public_key_is_no_secret() -> None:
    async def scenario(stage: Stage) -> None:
        own = jose.encode({"iss": "own"}, SECRET, "HS256")
        assert await stage.ask(own) == (0, "alice")
        assert stage.issuer.asked == []
        confused = jose.encode(dict(CLAIMS), SECRET, "HS256", headers={"kid": "e1"})
        assert await stage.ask(confused) == (401, "No key found for given token")

    play(scenario)


def test_keys_are_fetched_once_and_by_one() -> None:
    async def scenario(stage: Stage) -> None:
        def ask() -> Any:
            return stage.handler.access(FakeContext(headers=[("Authorization", f"Bearer {signed()}")]))

        assert await asyncio.gather(*(ask() for _ in range(5))) == [None] * 5
        assert await stage.ask(signed()) == (0, None)
        assert not stage.waited
        assert stage.issuer.asked == ["/keys"]
        stage.host.clock += jwt.JWKS_TTL_S + 1
        assert await stage.ask(signed()) == (0, None)
        assert stage.issuer.asked == ["/keys"] * 2

    play(scenario)


@pytest.mark.parametrize(("after_s", "asked"), [(59, 1), (61, 2)])
def test_keys_are_good_as_long_as_configured(after_s: float, asked: int) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.ask(signed())
        stage.host.clock += after_s
        assert await stage.ask(signed()) == (0, None)
        assert len(stage.issuer.asked) == asked

    play(scenario, jwks_ttl=60)


def test_a_new_key_is_found_and_strangers_cannot_make_us_ask() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.ask(signed())
        stage.issuer.documents["/keys"]["keys"] += [published("r1", kid="r1", use="sig", alg="RS256")]
        assert await stage.ask(signed("r1", "r1")) == (401, "No key found for given token")
        assert stage.issuer.asked == ["/keys"], "not again within 30 seconds"
        stage.host.clock += 30
        assert await stage.ask(signed("r1", "r1")) == (0, None)
        for number in range(20):
            assert (await stage.ask(signed(kid=f"made-up-{number}")))[0] == 401
        assert stage.issuer.asked == ["/keys"] * 2

    play(scenario)


def test_a_clock_that_goes_back_does_not_keep_keys_for_longer() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.ask(signed())
        stage.host.clock -= 3600
        stage.issuer.documents["/keys"] = {"keys": [published("r1", kid="r1")]}
        assert await stage.ask(signed("r1", "r1")) == (0, None)
        assert await stage.ask(signed()) == (401, "No key found for given token")
        assert stage.issuer.asked == ["/keys"] * 2

    play(scenario)


def test_keys_that_are_not_for_signatures() -> None:
    async def scenario(stage: Stage) -> None:
        stage.issuer.documents["/keys"] = {
            "keys": ["nonsense", {"kty": "EC", "kid": "e1"}, published("e1", kid="e1", use="enc"),
                     published("e1", kid="e1", alg="ES384")]
        }  # fmt: skip
        assert await stage.ask(signed()) == (401, "No key found for given token")

    play(scenario)


def test_an_issuer_that_is_away() -> None:
    """Good keys are used on until the limit; a failure is not repeated for each request."""

    async def scenario(stage: Stage) -> None:
        await stage.ask(signed())
        stage.issuer.is_away = True
        stage.host.clock += 301
        later = signed(exp=NOW + 10_000)
        assert await stage.ask(later) == (0, None)
        assert await stage.ask(later) == (0, None)
        assert not stage.waited
        assert len(stage.issuer.asked) == 2
        stage.host.clock += 700
        assert await stage.ask(later) == (503, "The upstream server is currently unavailable")
        stage.issuer.is_away = False
        assert (await stage.ask(later))[0] == 503
        stage.host.clock += 5
        assert await stage.ask(later) == (0, None)

    play(scenario, jwks_stale_ttl=600)


@pytest.mark.parametrize(
    "document",
    [None, b"no json", b"[]", {"keys": 5}, b"[" * 100_000, b'{"keys": [' + b" " * (1 << 20) + b"]}"],
)
def test_what_an_issuer_may_not_say(document: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(stage: Stage) -> None:
        stage.issuer.documents["/keys"] = document
        assert (await stage.ask(signed()))[0] == 503

    play(scenario)
    assert "/keys" in caplog.text


@pytest.mark.parametrize(
    ("claimed", "uri", "status"), [("", "/keys", 0), ("https://evil.test", "/keys", 503), ("", None, 503)]
)
def test_discovery(claimed: str, uri: str | None, status: int) -> None:
    async def run() -> None:
        async with Issuer() as issuer:
            stage = Stage(issuer, {"jwks_uri": None, "issuer": issuer.base})
            document = {"issuer": claimed or issuer.base, "jwks_uri": uri and issuer.base + uri}
            issuer.documents["/.well-known/openid-configuration"] = document
            assert (await stage.ask(signed(iss=issuer.base)))[0] == status

    asyncio.run(run())


def server_context(folder: Path, pem: Pem) -> ssl.SSLContext:
    """Return what an issuer with this certificate listens with."""
    file = folder / "issuer.pem"
    file.write_text(pem.key + pem.cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path) -> Path:
    file = tmp_path / "authorities.pem"
    file.write_text(authority.cert)
    return file


class TestOverTls:
    """The issuer is verified: whoever can answer in its place could let anybody in."""

    def test_keys(self, authority: Authority, trusted: Path, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            assert await stage.ask(signed()) == (0, None)

        play(scenario, server_context(tmp_path, authority.issue("localhost")), trusted)

    @pytest.mark.parametrize(
        ("names", "days", "is_known", "said"),
        [
            (("localhost",), 30, False, "certificate verify failed"),
            (("other.test",), 30, True, "Hostname mismatch"),
            (("localhost",), -1, True, "certificate has expired"),
        ],
        ids=["unknown authority", "another name", "expired"],
    )
    def test_issuer_that_cannot_be_verified(
        self,
        authority: Authority,
        trusted: Path,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        names: tuple[str, ...],
        days: float,
        is_known: bool,
        said: str,
    ) -> None:
        async def scenario(stage: Stage) -> None:
            assert (await stage.ask(signed()))[0] == 503
            assert stage.issuer.asked == [], "nothing is sent to a stranger"

        by = authority if is_known else Authority("Somebody else")
        play(scenario, server_context(tmp_path, by.issue(*names, days=days)), trusted)
        assert said in caplog.text
        assert "Traceback" not in caplog.text

    def test_without_a_file_the_system_decides(self, authority: Authority, tmp_path: Path) -> None:
        async def scenario(stage: Stage) -> None:
            assert (await stage.ask(signed()))[0] == 503

        play(scenario, server_context(tmp_path, authority.issue("localhost")))

    def test_discovery_stale_keys_and_strangers(
        self, authority: Authority, trusted: Path, tmp_path: Path
    ) -> None:
        async def scenario(stage: Stage) -> None:
            issuer = stage.issuer
            found = "/.well-known/openid-configuration"
            issuer.documents[found] = {"issuer": issuer.base, "jwks_uri": f"{issuer.base}/keys"}
            values = DEFAULTS | {"issuer": issuer.base, "algorithms": ["ES256"], "jwks_stale_ttl": 600}
            stage.handler = make_handler(jwt, values, make_env(stage.host))
            token = signed(iss=issuer.base, exp=NOW + 10_000)
            assert await stage.ask(token) == (0, None)
            assert issuer.asked == [found, "/keys"]
            # What the list does not allow is refused without a look at the keys.
            assert await stage.ask(signed("r1", "r1", iss=issuer.base)) == (401, "Invalid algorithm")
            # Unknown key ids ask at most once in 30 seconds.
            stage.host.clock += 31
            for number in range(5):
                assert (await stage.ask(signed(kid=f"made-up-{number}", iss=issuer.base)))[0] == 401
            assert len(issuer.asked) == 4
            # While the issuer is away, its keys go on being used.
            issuer.is_away = True
            stage.host.clock += jwt.JWKS_TTL_S + 1
            assert await stage.ask(token) == (0, None)
            stage.host.clock += 600
            assert (await stage.ask(token))[0] == 503

        play(scenario, server_context(tmp_path, authority.issue("localhost")), trusted)


def test_verified_tokens_are_remembered_and_still_end() -> None:
    async def scenario(stage: Stage) -> None:
        own = jose.encode({"iss": "own", "exp": NOW + 60}, SECRET, "HS256")
        token = signed(exp=NOW + 60)
        for text in (own, token, own, token):
            assert (await stage.ask(text))[0] == 0
        stage.host.clock += 60
        assert await stage.ask(token) == (401, {"exp": "token expired"})
        assert await stage.ask(own) == (401, {"exp": "token expired"})

    play(scenario, token_cache=10, claims_to_verify=["exp"])


def test_a_withdrawn_key_ends_what_it_had_verified() -> None:
    async def scenario(stage: Stage) -> None:
        assert (await stage.ask(signed()))[0] == 0
        stage.issuer.documents["/keys"] = {"keys": [published("e2", kid="e2")]}
        stage.host.clock += jwt.JWKS_TTL_S + 1
        assert await stage.ask(signed()) == (401, "No key found for given token")

    play(scenario, token_cache=10)


@pytest.mark.parametrize(
    ("config", "field", "message"),
    [
        ({"jwks_uri": "ftp://x/"}, "jwks_uri", "should be an http or https URL"),
        ({"jwks_uri": "https:///keys"}, "jwks_uri", "missing host in url"),
        ({"issuer": "accounts"}, "issuer", "should be an http or https URL"),
        ({"audiences": ["a"]}, "audiences", "can only be used with jwks_uri or issuer"),
        ({"consumer_claim": "sub"}, "consumer_claim", "can only be used with jwks_uri or issuer"),
    ],
)
def test_config_errors(config: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_handler(jwt, DEFAULTS | config)

    assert (caught.value.field, caught.value.message) == (field, message)
