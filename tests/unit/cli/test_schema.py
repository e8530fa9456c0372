"""The schema for editors: self-contained, and never stricter than the gateway."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from dbless_gateway.cli.main import main
from dbless_gateway.config.editor_schema import editor_schema
from dbless_gateway.config.schemas import load_schemas
from tests.support.foreign_plugins import forgetting_plugins
from tests.support.gateway import REPOSITORY

FILES = REPOSITORY / "tests" / "compat" / "files"
SCHEMA = editor_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def keywords(value: Any) -> set[str]:
    """Return every key at every depth."""
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in keywords(item)}
    return {key for item in value for key in keywords(item)} if isinstance(value, list) else set()


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_it_is_plain_and_self_contained() -> None:
    text = json.dumps(SCHEMA)
    assert not any(key.startswith("x-kong-") for key in keywords(SCHEMA))
    assert '"kong-' not in text
    for part in text.split('"$ref": "')[1:]:
        name = part.partition('"')[0]
        assert name.removeprefix("#/$defs/") in SCHEMA["$defs"], name


def test_every_plugin_is_in_it() -> None:
    assert {f"plugin-{name}" for name in load_schemas().plugin_names()} <= set(SCHEMA["$defs"])


@pytest.mark.parametrize("file", [*sorted(FILES.rglob("*.y*ml")), REPOSITORY / "kong.yaml.example"], ids=str)
def test_good_files_have_no_red_lines(file: Path) -> None:
    errors = [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(file.read_text()))]
    assert errors == []


@pytest.mark.parametrize(
    "text",
    [
        "servces: []",
        "services: [{host: h, port: '80'}]",
        "services: [{host: h, protocol: htps}]",
        "routes: [{paths: [a]}]",
        "plugins: [{name: key-auth, config: {key_nams: [a]}}]",
        "plugins: [{name: rate-limiting, config: {minute: many}}]",
        "upstreams: [{name: u, targets: [{weight: 1}]}]",
    ],
)
def test_mistakes_have_red_lines(text: str) -> None:
    assert not VALIDATOR.is_valid(yaml.safe_load('_format_version: "3.0"\n' + text))


@pytest.mark.parametrize(
    "text",
    [
        "services: [{host: h, port: '${{ env \"DECK_PORT\" | toInt }}'}]",
        "services: [{name: s}]",
        "plugins: [{name: rate-limiting, config: {minute: 1, redis: {password: '{vault://env/x}'}}}]",
        "plugins: [{name: not-ours, config: {anything: 1}}]",
    ],
)
def test_what_may_be_right_has_none(text: str) -> None:
    assert VALIDATOR.is_valid(yaml.safe_load('_format_version: "3.0"\n' + text))


def test_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


def test_written_beside_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, other = tmp_path / "kong.yaml", tmp_path / "sub" / "more.yaml"
    other.parent.mkdir()
    file.write_text('# mine\n_format_version: "3.0"\n')
    other.write_text("# yaml-language-server: $schema=old.json\na: 1\n")
    os.chmod(file, 0o640)

    for _ in range(2):
        assert main(["schema", "--write", str(file), str(other)]) == 0
    assert json.loads((tmp_path / "kong.schema.json").read_text()) == SCHEMA
    assert file.read_text() == (
        '# yaml-language-server: $schema=./kong.schema.json\n# mine\n_format_version: "3.0"\n'
    )
    assert file.stat().st_mode & 0o777 == 0o640
    assert other.read_text() == "# yaml-language-server: $schema=../kong.schema.json\na: 1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kong.schema.json", "kong.yaml", "sub"]


def test_nothing_is_written_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["schema", "--write", str(tmp_path / "nowhere.yaml")])
    assert stop.value.code == 2
    assert list(tmp_path.iterdir()) == []


def test_plugins_of_your_own_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugin", "new", "say-hello"]) == 0
    capsys.readouterr()
    with forgetting_plugins():
        assert main(["schema", "--plugin-dir", "."]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert "greeting" in schema["$defs"]["plugin-say-hello"]["properties"]
    (tmp_path / "say_hello.py").write_text("1 / 0\n")
    with forgetting_plugins(), pytest.raises(SystemExit) as ended:
        main(["schema", "--plugin-dir", "."])
    assert ended.value.code == 2
    assert "say_hello.py:1: ZeroDivisionError" in capsys.readouterr().err
