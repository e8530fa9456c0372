"""Secrets on their way into a snapshot: put in, missed, and kept out of what is told."""

from __future__ import annotations

from pathlib import Path

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import Source
from dbless_gateway.snapshot.certificates import TlsPolicy
from dbless_gateway.snapshot.compile import CompileOptions, Outcome, compile_snapshot
from dbless_gateway.snapshot.dry_run import DryRunHost
from dbless_gateway.snapshot.foreign_plugins import PluginSettings, prepare
from dbless_gateway.snapshot.model import Snapshot
from dbless_gateway.snapshot.secrets import reveal
from tests.support.certificates import self_signed_pem
from tests.support.foreign_plugins import forgetting_plugins

ID = "11111111-1111-4111-8111-111111111111"
HEAD = '_format_version: "3.0"\n'
TEXT = f"""
_format_version: "3.0"
services:
- {{name: s, url: https://s.example, client_certificate: {{id: {ID}}}}}
upstreams: [{{name: u, client_certificate: {{id: {ID}}}}}]
plugins:
- name: http-log
  config: {{http_endpoint: '{{vault://env/endpoint}}', headers: {{A: '{{vault://env/header}}'}}}}
- {{name: session, config: {{secret: '{{vault://env/secret}}'}}}}
certificates:
- id: {ID}
  cert: '{{vault://env/cert}}'
  key: '{{vault://env/key}}'
  cert_alt: '{{vault://env/cert-alt}}'
  key_alt: '{{vault://env/key-alt}}'
  snis: [{{name: s.example}}]
"""


NEEDS_SECRET = '''"""Cannot work without its token."""
from dataclasses import dataclass
from typing import Annotated

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.pdk.schema import Field

NAME = "needs-secret"
PRIORITY = 5


@dataclass(frozen=True, slots=True)
class Config:
    token: Annotated[str, Field(secret=True)]


class Handler:
    def __init__(self, config, env):
        if not config.token:
            raise ConfigError("token", "must not be empty")

    def access(self, ctx): ...
'''


def _entities(environ: dict[str, str]) -> Entities:
    loaded = load([Source("kong.yaml", TEXT)], LoadOptions(environ=environ))
    assert loaded.entities is not None
    return loaded.entities


def _compiled(environ: dict[str, str]) -> Outcome:
    return compile_snapshot(_entities(environ), DryRunHost(), CompileOptions(tls=TlsPolicy()))


def _everything() -> dict[str, str]:
    key, mark, certificate = self_signed_pem().decode().partition("-----BEGIN CERTIFICATE-----")
    return {"ENDPOINT": "http://h.example/x", "HEADER": "h", "CERT": mark + certificate, "KEY": key}


def test_secrets_are_where_references_were() -> None:
    entities = _entities(_everything())
    revealed = reveal(entities)
    config = revealed.entities.plugins[0].config
    assert (config["http_endpoint"], config["headers"]) == ("http://h.example/x", {"A": "h"})
    assert revealed.entities.certificates[0].key == _everything()["KEY"]
    assert entities.plugins[0].config["http_endpoint"] == "{vault://env/endpoint}"


def test_half_an_alternative_is_none() -> None:
    certificate = reveal(_entities(_everything() | {"CERT_ALT": "x"})).entities.certificates[0]
    assert (certificate.cert_alt, certificate.key_alt) == (None, None)


def test_a_configuration_without_references_stays_as_it_is() -> None:
    loaded = load([Source("kong.yaml", '_format_version: "3.0"\n')])
    assert loaded.entities is not None
    assert reveal(loaded.entities).entities is loaded.entities


def test_a_whole_configuration_compiles() -> None:
    snapshot = _compiled(_everything())
    assert isinstance(snapshot, Snapshot)
    assert snapshot.certificates.find("s.example") is not None
    assert len(snapshot.global_chain.log) == 1


def test_what_lacks_its_secret_is_left_out() -> None:
    snapshot = _compiled({})
    assert isinstance(snapshot, Snapshot)
    assert snapshot.certificates.find("s.example") is None
    assert snapshot.global_chain.log == ()
    # This one can do without: it makes a secret of its own.
    assert len(snapshot.global_chain.header_filter) == 1


def test_a_plugin_from_elsewhere_is_never_left_out(tmp_path: Path) -> None:
    (tmp_path / "needs_secret.py").write_text(NEEDS_SECRET)
    text = HEAD + "plugins: [{name: needs-secret, config: {token: '{vault://env/token}'}}]\n"
    with forgetting_plugins():
        options = LoadOptions(environ={}, plugins=prepare(PluginSettings((str(tmp_path),))))
        loaded = load([Source("kong.yaml", text)], options)
        assert loaded.entities is not None
        problems = compile_snapshot(loaded.entities, DryRunHost(), CompileOptions())

    assert isinstance(problems, list)
    assert [(problem.code, problem.message) for problem in problems] == [
        ("plugin/config", "config.token: must not be empty")
    ]


def test_problems_quote_no_secret() -> None:
    problems = _compiled(_everything() | {"ENDPOINT": "gopher://u:hunter2@h"})
    assert isinstance(problems, list)
    assert [problem.code for problem in problems] == ["plugin/config"]
    assert "hunter2" not in _told(problems)


def test_a_certificate_that_is_none_is_an_error_at_its_place() -> None:
    problems = _compiled(_everything() | {"CERT": "no-certificate"})
    assert isinstance(problems, list)
    assert {problem.code for problem in problems} == {"certificate/unusable"}
    assert "no-certificate" not in _told(problems)


def _told(problems: list[Problem]) -> str:
    return " ".join(map(repr, problems))
