"""plugin new writes what passes its own test; plugin list tells what there is, and what is broken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbless_gateway.cli.plugin import main
from tests.support.foreign_plugins import forgetting_plugins
from tests.support.gateway import REPOSITORY


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KONG_PLUGIN_DIR", raising=False)
    with forgetting_plugins():
        yield


@pytest.mark.slow
def test_new_plugin_passes_its_test_and_type_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "say-hello"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote say_hello.py",
        "wrote test_say_hello.py",
        "run it: dbless-gateway start -c kong.yaml --plugin-dir .",
    ]
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": ""}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "4 passed" in result.stdout


def test_what_is_there_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_say_hello.py").write_text("mine")
    assert main(["new", "say-hello"]) == 1
    assert "test_say_hello.py is there already" in capsys.readouterr().out
    assert [file.name for file in tmp_path.iterdir()] == ["test_say_hello.py"]


@pytest.mark.parametrize("name", ["", "Say", "say_hello", "-say", "say--hello", "../say", "1say", "key-auth"])
def test_bad_names_are_wrong_usage(name: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["new", name] if not name.startswith("-") else ["new", "--", name])
    assert ended.value.code == 2
    assert list(tmp_path.iterdir()) == []


def test_list_tells_where_plugins_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    main(["new", "say-hello"])
    capsys.readouterr()
    assert main(["list", "--plugin-dir", "."]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["800", "say-hello", "say_hello.py"] in lines
    assert ["1250", "key-auth", "bundled"] in lines
    assert [int(line[0]) for line in lines] == sorted((int(line[0]) for line in lines), reverse=True)


def test_list_tells_what_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "say_hello.py").write_text("\n1 / 0\n")
    monkeypatch.setenv("KONG_PLUGIN_DIR", str(tmp_path))
    assert main(["list"]) == 1
    out = capsys.readouterr().out
    assert f"broken: {tmp_path}/say_hello.py:2:1: ZeroDivisionError: division by zero" in out
    assert "key-auth" in out
