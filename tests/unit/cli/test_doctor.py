from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest

from dbless_gateway.cli import doctor
from dbless_gateway.server.options import make_settings
from tests.support.config import document, service
from tests.support.foreign_plugins import forgetting_plugins
from tests.support.ports import free_ports

PLUGIN = '''"""Say hello."""
from dataclasses import dataclass

NAME = "say-hello"
PRIORITY = 5


@dataclass(frozen=True, slots=True)
class Config:
    text: str = "hello"


class Handler:
    def __init__(self, config, env): ...

    def access(self, ctx): ...
'''


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, admin, status = free_ports(3)
    monkeypatch.setenv("KONG_PROXY_LISTEN", f"127.0.0.1:{proxy}")
    monkeypatch.setenv("KONG_ADMIN_LISTEN", f"127.0.0.1:{admin}")
    monkeypatch.setenv("KONG_STATUS_LISTEN", f"127.0.0.1:{status}")


def config(folder: Path, host: str = "localhost") -> str:
    file = folder / "kong.yaml"
    file.write_text(document(service(f"{host}:80", "/")))
    return str(file)


def failures(files: list[str]) -> list[str]:
    result = make_settings({}, files, os.environ)
    return [f"{found.subject}: {found.text}" for found in doctor.examine(result) if found.level == "fail"]


def test_nothing_stands_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["-c", config(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "changes are seen at once" in out
    assert "name: localhost is 127.0.0.1" in out
    assert "FAIL" not in out


def test_an_address_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("KONG_PROXY_LISTEN", f"127.0.0.1:{taken.getsockname()[1]}")
        (found,) = failures([config(tmp_path)])
        assert found.startswith("address: bind() to 127.0.0.1:")


def test_flags_of_start_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert doctor.main(["-c", config(tmp_path), "--proxy-listen", listen]) == 1
    assert f"FAIL  address: bind() to {listen} failed" in capsys.readouterr().out


def test_a_name_that_no_server_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (closed,) = free_ports(1)
    monkeypatch.setenv("KONG_DNS_RESOLVER", f"127.0.0.1:{closed}")
    (found,) = failures([config(tmp_path, "nowhere.test")])
    assert found.startswith("name: nowhere.test does not resolve: ")


def test_a_missing_file_and_wrong_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = str(tmp_path / "none.yaml")
    assert failures([missing])[0] == f"{missing}: does not exist"
    monkeypatch.setenv("KONG_LOG_LEVEL", "loud")
    assert doctor.main(["-c", missing]) == 1
    assert failures([missing])[0].startswith("settings: log_level")


def test_mistakes_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text('_format_version: "3.0"\nservices: 5\n')
    assert failures([str(file)]) == ["configuration: a mistake; dbless-gateway validate tells what and where"]


def test_a_small_limit_of_open_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, hard))
    found = [
        line
        for line in doctor.examine(make_settings({}, [config(tmp_path)], os.environ))
        if line.subject == "open files"
    ]
    assert found[0].level == "note"


def test_plugins_of_a_folder_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "say_hello.py").write_text(PLUGIN)
    file = Path(config(tmp_path))
    file.write_text(file.read_text() + "plugins: [{name: say-hello, config: {text: hi}}]\n")
    assert failures([str(file)]) == ["configuration: a mistake; dbless-gateway validate tells what and where"]

    monkeypatch.setenv("KONG_PLUGIN_DIR", str(folder))
    with forgetting_plugins():
        assert failures([str(file)]) == []


def test_variables_of_the_file_are_replaced_when_settings_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KONG_EXPAND_ENV", "on")
    monkeypatch.setenv("TARGET", "localhost")
    file = Path(config(tmp_path, "placeholder"))
    file.write_text(file.read_text().replace("placeholder", "${TARGET}"))

    assert failures([str(file)]) == []
