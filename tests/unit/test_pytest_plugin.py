"""The fixtures of the pytest plugin, used as a user's tests would use them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.targets import TargetAnswer
from dbless_gateway.rehearsal.trial import InvalidConfiguration, Trial, open_trial

TEXT = """_format_version: "3.0"
services:
  - name: users
    url: http://users.internal:8080
    routes: [{name: users, paths: [/users]}]
    plugins: [{name: key-auth}, {name: rate-limiting, config: {minute: 1, policy: local}}]
consumers:
  - {username: alice, keyauth_credentials: [{key: k1}]}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("configuration") / "kong.yaml"
    file.write_text(TEXT)
    return file


@pytest.fixture
def trial(file: Path, gateway_for: Callable[..., Trial]) -> Trial:
    return gateway_for(file)


def test_a_request_and_what_became_of_it(trial: Trial) -> None:
    answer = TargetAnswer(201, (("X-A", "1"),), b"made")

    tried = trial.request("POST", "/users/1", headers={"apikey": "k1", "X-B": ["1", "2"]}, target=answer)

    assert (tried.status, tried.body, tried.header("x-a"), tried.answered_by) == (201, b"made", "1", "target")
    assert (tried.route, tried.service, tried.consumer) == ("users", "users", "alice")
    assert tried.plugins == ["key-auth", "rate-limiting"]
    assert tried.target is not None
    assert (tried.target.target, tried.target.header("x-b")) == ("/1", "1, 2")
    assert ("X-A", "1") in tried.headers
    assert repr(tried) == "<POST http://localhost/users/1: 201 by target, route users>"


def test_nothing(trial: Trial) -> None:
    tried = trial.get("/")

    assert (tried.status, tried.route, tried.service, tried.consumer, tried.target) == (
        404,
        None,
        None,
        None,
        None,
    )
    assert trial.explain("GET", "/")["winner"] is None


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_begins_anew(trial: Trial, turn: int) -> None:
    statuses = [trial.get("/users", headers={"apikey": "k1"}).status for _ in range(2)]

    assert statuses == [200, 429], turn


def test_a_configuration_with_errors(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("_format_version: '3.0'\nroutes: [{name: a}]\n")

    with pytest.raises(InvalidConfiguration, match=r"kong\.yaml:2:\d+: error"):
        open_trial([str(file)], {})


def test_a_trial_without_pytest(file: Path) -> None:
    with open_trial([str(file)], {}, ProxyOptions(router_flavor="traditional")) as trial:
        assert trial.explain("GET", "/users")["router_flavor"] == "traditional"
        assert trial.get("/users").status == 401


PLUGIN = """
from dataclasses import dataclass

from dbless_gateway.pdk.reply import Reply

NAME = "teapot"
PRIORITY = 1


@dataclass(frozen=True)
class Config:
    pass


class Handler:
    def __init__(self, config, env):
        pass

    def access(self, ctx):
        return Reply(418, b"short and stout")
"""


def test_plugins_of_ones_own_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway_for: Callable[..., Trial]
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "teapot.py").write_text(PLUGIN)
    monkeypatch.setenv("KONG_PLUGIN_DIR", str(tmp_path / "plugins"))
    file = tmp_path / "kong.yaml"
    file.write_text("_format_version: '3.0'\nroutes: [{name: a, paths: [/]}]\nplugins: [{name: teapot}]\n")

    tried = gateway_for(file).get("/")

    assert (tried.status, tried.body, tried.answered_by) == (418, b"short and stout", "teapot")


def test_settings_that_are_wrong(
    file: Path, monkeypatch: pytest.MonkeyPatch, gateway_for: Callable[..., Trial]
) -> None:
    monkeypatch.setenv("KONG_TRUSTED_IPS", "nobody")

    with pytest.raises(pytest.fail.Exception, match="trusted_ips"):
        gateway_for(file, file)


TESTS = """
def test_users_need_a_key(gateway):
    assert gateway.get("/users").status == 401
"""


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "test_gateway.py"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", ["flag", "ini", "nothing"])
def test_a_project_names_its_configuration(tmp_path: Path, how: str) -> None:
    (tmp_path / "kong.yaml").write_text(TEXT)
    (tmp_path / "test_gateway.py").write_text(dedent(TESTS))
    ini = "[pytest]\n" + ("gateway_config = kong.yaml\n" if how == "ini" else "")
    (tmp_path / "pytest.ini").write_text(ini)

    code, output = run(tmp_path, *(["--gateway-config", "kong.yaml"] if how == "flag" else []))

    assert code == (1 if how == "nothing" else 0), output
    assert ("needs --gateway-config" in output) == (how == "nothing")
