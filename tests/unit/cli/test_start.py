from __future__ import annotations

import pytest

from dbless_gateway.cli import start


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KONG_DECLARATIVE_CONFIG", raising=False)
    monkeypatch.delenv("KONG_DECLARATIVE_CONFIG_STRING", raising=False)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no configuration is given"),
        (["-c", "x", "--workers", "none"], "nginx_worker_processes must be a number of 1 or more, or auto"),
        (["-c", "x", "--proxy-listen", "8000"], "proxy_listen must be of form: "),
        (["-c", "x", "--expand-env", "maybe"], "expand_env is not a boolean: 'maybe'"),
        (["--expand-env", "--watch"], "no configuration is given"),
        (["-c", "x", "--log-level", "loud"], "log_level has an invalid value: 'loud'"),
    ],
)
def test_wrong_settings_exit_with_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start.main(argv) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_flag_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        start.main(["--fly"])
    assert ended.value.code == 2
    assert "unrecognized arguments: --fly" in capsys.readouterr().err


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KONG_TRUSTED_IPS", "everybody")
    assert start.main(["-c", "x"]) == 2
    assert "trusted_ips must be a comma separated list" in capsys.readouterr().err
