"""dbless-gateway test: results in every form, coverage, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dbless_gateway.cli.main import main

CONFIGURATION = """_format_version: "3.0"
services:
  - name: users
    host: users.internal
    routes:
      - {name: users, paths: [/users]}
      - {name: other, paths: [/other]}
    plugins: [{name: key-auth}]
"""
GOOD = """tests:
  - name: users need a key
    request: GET /users
    expect: {route: users, status: 401}
"""
BAD = """tests:
  - name: "users are <free>, 100%"
    request: GET /users
    expect:
      status: 200
      route: other
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("kong.yaml", CONFIGURATION), ("good.yaml", GOOD), ("bad.yaml", BAD)):
        Path(name).write_text(text)


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    assert main(["test", *arguments, "-c", "kong.yaml"]) == code
    return capsys.readouterr().out


def test_all_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "good.yaml", code=0) == "1 tests passed\n"


def test_what_fails_is_told_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "good.yaml", "bad.yaml", code=1).splitlines() == [
        "bad.yaml:2: failed: users are <free>, 100%",
        "  line 5: status: expected 200, but it is 401",
        "  line 6: route: expected 'other', but it is 'users' (the path is /users, it takes /other)",
        "1 of 2 tests passed",
    ]


def test_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "good.yaml", "--coverage", code=0).splitlines()[1:] == [
        "reached: 1 of 2 routes, 1 of 1 plugins",
        "not reached by any test:",
        "  route other  kong.yaml:7",
    ]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, "good.yaml", "bad.yaml", "--format", "json", "--coverage", code=1))

    assert (found["version"], found["tests"], found["failed"]) == (1, 2, 1)
    assert [result["passed"] for result in found["results"]] == [True, False]
    assert found["results"][1]["differences"][0] == {
        "what": "status",
        "expected": "200",
        "observed": "401",
        "line": 5,
        "hint": None,
    }
    assert found["coverage"]["missed"] == [{"kind": "route", "name": "other", "at": "kong.yaml:7"}]


def test_junit(capsys: pytest.CaptureFixture[str]) -> None:
    root = ElementTree.fromstring(run(capsys, "good.yaml", "bad.yaml", "--format", "junit", code=1))

    assert [suite.attrib for suite in root] == [
        {"name": "good.yaml", "tests": "1", "failures": "0"},
        {"name": "bad.yaml", "tests": "1", "failures": "1"},
    ]
    case = root[1][0]
    assert case.attrib["name"] == "users are <free>, 100%"
    assert case[0].attrib["message"] == "status: expected 200, but it is 401"
    assert "bad.yaml:6: route" in (case[0].text or "")


def test_github(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, "bad.yaml", "--format", "github", "--coverage", code=1).splitlines()

    title = "title=users are <free>%2C 100%25"
    assert lines[0] == f"::error file=bad.yaml,line=5,{title}::status: expected 200, but it is 401"
    assert lines[-1] == "::notice file=kong.yaml,line=7,title=not reached::no test reaches route other"


def test_secrets_of_the_environment_are_hidden(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECK_TOKEN", "hunter-2")
    transformer = (
        "{name: request-transformer, config: {add: {headers: ['x-token:${{ env \"DECK_TOKEN\" }}']}}}"
    )
    Path("kong.yaml").write_text(f"{CONFIGURATION}plugins: [{transformer}]\n".replace("key-auth", "cors"))
    Path("bad.yaml").write_text(
        "tests: [{name: a, request: GET /users, expect: {target: {headers: {x-token: other}}}}]\n"
    )

    out = run(capsys, "bad.yaml", code=1)

    assert "target header x-token: expected 'other', but it is '***'" in out


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("good.yaml", "tests: [{name: a, request: GET /, expect: {rout: a}}]", "good.yaml:1:44: error["),
        ("good.yaml", "a: [", "good.yaml:1:5: error["),
        ("kong.yaml", "services: []", "kong.yaml:1:1: error["),
    ],
)
def test_files_that_cannot_be_used(
    name: str, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text(text)

    assert main(["test", "good.yaml", "-c", "kong.yaml"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_no_file() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["test", "good.yaml"])
    assert stop.value.code == 2
