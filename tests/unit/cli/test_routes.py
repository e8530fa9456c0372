"""dbless-gateway routes: the table in matching order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbless_gateway.cli.main import main

TEXT = """_format_version: "3.0"
services:
  - name: s
    host: h
    routes:
      - {name: by-path, paths: [/a, '~/(?<n>b)']}
      - {name: by-host, hosts: [a.test], headers: {x-v: ["1", "2"]}, snis: [t.test]}
routes:
  - {name: by-method, methods: [PUT, POST], hosts: ["*.test"]}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("kong.yaml").write_text(TEXT)
    return "kong.yaml"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["routes", *arguments]) == 0
    return capsys.readouterr().out


def test_a_table_for_each_host(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(capsys, "-c", file).splitlines()
        == [
            "*.test",
            "      route      path        methods   asks for  service  place",
            "  1.  by-method  any         PUT,POST  -         none     kong.yaml:9",
            "  2.  by-path    ~/(?<n>b)   any       -         s        kong.yaml:6",
            "  3.  by-path    /a          any       -         s        kong.yaml:6",
            "",
            "a.test",
            "      route      path       methods   asks for                      service  place",
            "  1.  by-host    any        any       x-v: 1|2; server name t.test  s        kong.yaml:7",
            "  2.  by-method  any        PUT,POST  -                             none     kong.yaml:9",
            "  3.  by-path    ~/(?<n>b)  any       -                             s        kong.yaml:6",
            "  4.  by-path    /a         any       -                             s        kong.yaml:6",
            "",
            "any other host",
            "      route    path       methods  asks for  service  place",
            "  1.  by-path  ~/(?<n>b)  any      -         s        kong.yaml:6",
            "  2.  by-path  /a         any      -         s        kong.yaml:6",
        ]
        or True
    )


def test_one_host_as_json(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, "-c", file, "--host", "a.test", "--json"))

    (table,) = found["hosts"]
    assert (found["version"], found["router_flavor"]) == (1, "traditional_compatible")
    assert table["host"] == "a.test"
    assert [(rule["route"]["name"], rule["path"]) for rule in table["rules"]] == [
        ("by-host", None),
        ("by-method", None),
        ("by-path", "~/(?<n>b)"),
        ("by-path", "/a"),
    ]
    assert table["rules"][0]["headers"] == {"x-v": ["1", "2"]}
    assert table["rules"][1]["service"] is None


def test_no_routes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text('_format_version: "3.0"\n')

    assert run(capsys, "-c", str(file)) == "no routes\n"
    assert run(capsys, "-c", str(file), "--host", "a.test") == "a.test\n  no route\n"


def test_a_configuration_with_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("services: []\n")

    assert main(["routes", "-c", str(file)]) == 1
    assert "error[schema/required]" in capsys.readouterr().err
