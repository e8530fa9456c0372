"""A mistake in the configuration of each bundled plugin keeps the gateway from starting, with its place."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

from dbless_gateway import plugins
from tests.support.gateway import STOP_TIMEOUT_S, Gateway

EX_CONFIG = 78
HEAD = '_format_version: "3.0"\nplugins:\n'
# name -> (a config with one mistake at the mark, what is said about it)
MISTAKES = {
    "acl": ("{allow: §staff}", "expected an array"),
    "basic-auth": ("{§relm: x}", "unknown field"),
    "bot-detection": ("{deny: [§5]}", "expected a string"),
    "correlation-id": ("{generator: §random}", "expected one of: uuid, uuid#counter, tracker"),
    "cors": ("{max_age: §soon}", "expected a number"),
    "file-log": ("{path: §5}", "expected a string"),
    "hmac-auth": ("{clock_skew: §0}", "value must be greater than 0"),
    "http-log": ("{http_endpoint: http://a.test, method: §GET}", "expected one of: POST, PUT, PATCH"),
    "ip-restriction": ("{deny: [§10.0.0.300]}", "invalid ip or cidr range"),
    "jwt": ("{anonymous_on: §always}", "expected one of: failure, missing"),
    "key-auth": ("{key_names: [§'a b']}", "bad header name"),
    "opentelemetry": ("{traces_endpoint: §5}", "expected a string"),
    "prometheus": ("{per_consumer: §5}", "expected a boolean"),
    "proxy-cache": ("{strategy: §redis}", "expected one of: memory"),
    "rate-limiting": ("{minute: 1, window: §rolling}", "expected one of: fixed, sliding"),
    "redirect": ("{location: §5}", "expected a string"),
    "request-size-limiting": ("{size_unit: §gigabytes}", "expected one of: megabytes, kilobytes, bytes"),
    "request-termination": ("{status_code: §99}", "value should be between 100 and 599"),
    "request-transformer": ("{add: {headers: [§novalue]}}", "invalid value"),
    "response-ratelimiting": ("{limits: {video: {minute: §0}}}", "value must be greater than 0"),
    "response-transformer": ("{add: {headers: [§novalue]}}", "invalid value"),
    "session": ("{cookie_same_site: §Sometimes}", "expected one of: Strict, Lax, None, Default"),
    "statsd": ("{port: §70000}", "value should be between 0 and 65535"),
    "syslog": ("{log_level: §loud}", "expected one of: debug"),
    "tcp-log": ("{host: a.test, port: §70000}", "value should be between 0 and 65535"),
    "udp-log": ("{host: a.test, port: §70000}", "value should be between 0 and 65535"),
    "zipkin": ("{traceid_byte_count: §9}", "expected one of: 8, 16"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the gateway said about a file with all mistakes, one plugin in a line."""
    file = tmp_path_factory.mktemp("mistakes") / "kong.yaml"
    file.write_text(
        HEAD + "".join(_line(name, config).replace("§", "") for name, (config, _) in MISTAKES.items())
    )
    gateway = Gateway(file, wait=False)
    assert gateway.process.wait(STOP_TIMEOUT_S) == EX_CONFIG
    gateway.log.close()
    return str(gateway.log)


def _line(name: str, config: str) -> str:
    return f"- {{name: {name}, config: {config}}}\n"


def test_every_plugin_has_one() -> None:
    assert set(MISTAKES) == {found.name.replace("_", "-") for found in pkgutil.iter_modules(plugins.__path__)}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_mistake_and_its_place(name: str, said: str) -> None:
    config, message = MISTAKES[name]
    line = HEAD.count("\n") + 1 + list(MISTAKES).index(name)
    column = _line(name, config).index("§") + 1

    assert re.search(rf"kong\.yaml:{line}:{column}: error.*{re.escape(message)}", said), said


def test_what_only_a_plugin_can_judge(tmp_path: Path) -> None:
    """A hash that costs too much, an issuer that is no URL."""
    file = tmp_path / "kong.yaml"
    file.write_text(
        '_format_version: "3.0"\n'
        "consumers:\n"
        "- username: a\n"
        "  basicauth_credentials:\n"
        "  - {username: a, password: '$scrypt$ln=30,r=8,p=1$c2FsdA$aGFzaA'}\n"
        "plugins:\n"
        "- {name: basic-auth}\n"
        "- {name: jwt, config: {issuer: accounts}}\n"
    )
    gateway = Gateway(file, wait=False)
    assert gateway.process.wait(STOP_TIMEOUT_S) == EX_CONFIG
    gateway.log.close()
    said = str(gateway.log)

    for line, message in (
        (7, "the password hash of user 'a' takes more than 256 MiB to verify"),
        (8, "should be an http or https URL"),
    ):
        assert re.search(rf"kong\.yaml:{line}:\d+: .*{re.escape(message)}", said), said
