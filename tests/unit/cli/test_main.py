from __future__ import annotations

import subprocess
import sys

import pytest

from dbless_gateway import __version__
from dbless_gateway.cli.main import COMMANDS, main


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_usage_names_every_command(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 2
    assert capsys.readouterr().err.startswith("No such command: fly\n")


@pytest.mark.parametrize("argv", [["version"], ["--version"]])
def test_version(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    assert capsys.readouterr().out == f"dbless-gateway {__version__}\n"


def test_version_tells_more_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--all"]) == 0
    assert "Linux" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"dbless-gateway {name}" in capsys.readouterr().out


def test_help_loads_no_event_loop() -> None:
    code = (
        "import sys; from dbless_gateway.cli.main import main; main(['--help']); main(['version'])\n"
        "sys.exit(bool({'uvloop', 'httptools', 'watchfiles', 'yaml'} & sys.modules.keys()))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
    )


@pytest.fixture
def broken_command(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(COMMANDS, "broken", ("no_such_module", "is not there"))
    return "broken"


def test_a_bug_is_one_line(broken_command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([broken_command]) == 70
    err = capsys.readouterr().err
    assert err.startswith("dbless-gateway broken: internal error: ModuleNotFoundError: ")
    assert err.count("\n") == 1


def test_a_bug_is_a_traceback_with_debug(broken_command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", broken_command]) == 70
    assert "Traceback" in capsys.readouterr().err
