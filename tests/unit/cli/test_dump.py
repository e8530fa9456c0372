"""The effective configuration: complete, and without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbless_gateway.cli.main import main

HEAD = '_format_version: "3.0"\n'
TEXT = """_format_version: "3.0"
services:
  - name: s
    url: https://h:81/p
    routes: [{name: r, paths: [/a/]}]
consumers:
  - username: a
    keyauth_credentials: [{key: hunter-2}]
    basicauth_credentials: [{username: u, password: hunter-3}]
plugins:
  - name: request-transformer
    config: {add: {headers: ['x-token:${{ env "DECK_TOKEN" }}']}}
  - name: rate-limiting
    service: s
    consumer: a
    config: {minute: 1, policy: redis, redis: {host: h, password: hunter-4}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DECK_TOKEN", "hunter-5")
    file = tmp_path / "kong.yaml"
    file.write_text(TEXT)
    return str(file)


def dump(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["dump", *arguments]) == 0
    out = capsys.readouterr().out
    assert "hunter" not in out
    return json.loads(out) if "json" in arguments else yaml.safe_load(out)


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_defaults_shorthands_and_references(file: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = dump(capsys, file, "--format", form)
    (service,) = document["services"]

    assert (service["host"], service["port"], service["path"]) == ("h", 81, "/p")
    assert service["read_timeout"] == 60000
    assert service["id"]
    assert service["routes"][0]["strip_path"] is True
    (limit,) = [plugin for plugin in document["plugins"] if plugin["name"] == "rate-limiting"]
    assert (limit["service"], limit["consumer"]) == ("s", "a")
    assert "created_at" not in json.dumps(document)


def test_secrets_are_masked(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = dump(capsys, file)
    (consumer,) = document["consumers"]

    assert consumer["keyauth_credentials"][0]["key"] == "***"
    assert consumer["basicauth_credentials"][0]["password"] == "***"
    (transformer,) = [plugin for plugin in document["plugins"] if plugin["name"] == "request-transformer"]
    assert transformer["config"]["add"]["headers"] == ["x-token:***"]


def test_flat(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = dump(capsys, file, "--flat")

    assert document["routes"][0]["service"] == document["services"][0]["id"]


def test_files_are_merged(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = tmp_path / "more.yaml"
    more.write_text('_format_version: "3.0"\nroutes: [{name: far, service: s, paths: [/far/]}]\n')

    names = [route["name"] for route in dump(capsys, file, "-c", str(more))["services"][0]["routes"]]
    assert names == ["r", "far"]


def test_router_flavor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(HEAD + """routes: [{name: r, expression: 'http.path == "/"'}]\n""")

    document = dump(capsys, str(file), "--router-flavor", "expressions")
    assert document["routes"][0]["expression"] == 'http.path == "/"'


def test_mistakes_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("services: []\n")

    assert main(["dump", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error[schema/required] _format_version" in captured.err


def test_no_file() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["dump"])
    assert stop.value.code == 2
