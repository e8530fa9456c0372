"""Starting the real command: what it takes, what it refuses, what it says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.client import fetch
from tests.support.config import document, service, write
from tests.support.gateway import REPOSITORY, Gateway
from tests.support.origin import Origin
from tests.support.ports import free_ports

pytestmark = pytest.mark.slow

TIMEOUT_S = 60.0
EXIT_INVALID = 78


def start(*arguments: str, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    ports = free_ports(3)
    flags = ("--proxy-listen", "--admin-listen", "--status-listen")
    return subprocess.run(
        [
            *(sys.executable, "-m", "dbless_gateway", "start", "--workers", "1", *arguments),
            *(part for flag, port in zip(flags, ports, strict=True) for part in (flag, f"127.0.0.1:{port}")),
        ],
        cwd=REPOSITORY,
        env=dict(os.environ) | environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_every_problem_is_printed_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(
        '_format_version: "3.0"\nservices:\n- name: a\n  prot: x\n  host: 5\n- host: b\n  port: -1\n'
    )
    ended = start("-c", str(file))
    assert ended.returncode == EXIT_INVALID
    places = [line.split(" ")[0] for line in ended.stderr.splitlines() if line.startswith(str(file))]
    assert len(places) >= 3
    assert {place.split(":")[1] for place in places} >= {"4", "5", "7"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read this file"),
        ("", "the file is empty"),
        ("services: [", ":1:"),
        ('_format_version: "3.0"\nplugins:\n- name: no-such-plugin\n', ":3:"),
    ],
    ids=["missing", "empty", "broken", "unknown plugin"],
)
def test_a_bad_file_is_78(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "kong.yaml"
    if text is not None:
        file.write_text(text)
    ended = start("-c", str(file))
    assert ended.returncode == EXIT_INVALID
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_expression_that_only_compiling_can_judge_is_78(tmp_path: Path) -> None:
    file = write(tmp_path, service("127.0.0.1:1", "~/(?=ahead)"))
    ended = start("-c", str(file))
    assert ended.returncode == EXIT_INVALID
    assert f"{file}:" in ended.stderr


def test_wrong_settings_are_2(tmp_path: Path) -> None:
    ended = start("-c", "x", KONG_TRUSTED_IPS="me")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_a_taken_address_is_1(tmp_path: Path) -> None:
    file = write(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "dbless_gateway", "start", "-c", str(file)],
            cwd=REPOSITORY,
            env=dict(os.environ) | {"KONG_PROXY_LISTEN": f"127.0.0.1:{port}", "KONG_ADMIN_LISTEN": "off"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert ended.returncode == 1
    assert f"bind() to 127.0.0.1:{port} failed (98: Address already in use)" in ended.stderr


def test_one_line_tells_the_start_and_one_the_stop(tmp_path: Path) -> None:
    with Origin() as origin, Gateway(write(tmp_path, service(origin.address))) as gateway:
        gateway.stop()
        lines = [line for line in gateway.log.lines if " [notice] " in line]
    assert [line.split(": ", 1)[1].split(" ")[0] for line in lines] == ["started", "stopping", "stopped"]
    assert f"proxy=127.0.0.1:{gateway.port}" in lines[0]
    assert "services=1 routes=1" in lines[0]


def test_a_folder_is_a_configuration(tmp_path: Path) -> None:
    with Origin() as origin:
        (tmp_path / "a.yaml").write_text(document(service(origin.address, "/a")))
        (tmp_path / "b.yml").write_text(document(service(origin.address, "/b")))
        with Gateway(tmp_path) as gateway:
            assert [gateway.fetch(path).status for path in ("/a", "/b", "/c")] == [200, 200, 404]
            previous = gateway.status()["configuration_hash"]
            (tmp_path / "c.yaml").write_text(document(service(origin.address, "/c")))
            gateway.wait_for_configuration(previous)
            assert gateway.fetch("/c").status == 200


def test_the_configuration_may_stand_in_a_variable(tmp_path: Path) -> None:
    with Origin() as origin:
        text = document(service(origin.address, "/a"))
        with Gateway([], environment={"KONG_DECLARATIVE_CONFIG_STRING": text}) as gateway:
            assert gateway.fetch("/a").status == 200


def test_unknown_variables_get_one_warning_each(tmp_path: Path) -> None:
    environment = {"KONG_PROXY_LISTN": "x", "KONG_WASM": "on", "KONG_PG_HOST": "z"}
    file = write(tmp_path, service("127.0.0.1:1"))
    with Gateway(file, environment=environment) as gateway:
        warnings = [line for line in gateway.log.lines if "[warn]" in line]
    assert len(warnings) == 2
    assert "did you mean KONG_PROXY_LISTEN?" in warnings[0]


def test_who_hears_ready_can_read_everything(tmp_path: Path) -> None:
    file = write(tmp_path, *(service("127.0.0.1:1", f"/{number}") for number in range(1500)))
    with Gateway(file) as gateway:
        # The very next thing after the readiness probe.
        answer = fetch(gateway.admin_port, "/services?size=1")
        assert answer.status == 200, answer.raw
