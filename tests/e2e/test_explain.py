"""What ``explain`` says that a target sees is what a target sees, byte for byte; live and from the file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.config import service, write
from tests.support.gateway import REPOSITORY, Gateway
from tests.support.origin import Origin

# What the test client sends.
HOST = "gateway.test"
KEY = ("apikey", "k1")


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture(scope="module")
def gateway(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    transformer = {"name": "request-transformer", "config": {"add": {"headers": ["x-added:1"]}}}
    file = write(
        tmp_path_factory.mktemp("explain"),
        service(origin.address, "/plain", path="/base"),
        service(origin.address, "/kept", route={"strip_path": False, "preserve_host": True}),
        service(origin.address, "/keyed", plugins=[{"name": "key-auth"}, transformer]),
        consumers=[{"username": "alice", "keyauth_credentials": [{"key": KEY[1]}]}],
    )
    with Gateway(file) as gateway:
        yield gateway


def explain(gateway: Gateway, target: str, headers: list[tuple[str, str]], *more: str) -> dict[str, Any]:
    url = f"http://{HOST}:{gateway.port}{target}"
    lines = [part for name, value in [("Host", HOST), *headers] for part in ("-H", f"{name}: {value}")]
    command = [sys.executable, "-m", "dbless_gateway", "explain", "GET", url, *lines, "--json", *more]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


@pytest.mark.slow
@pytest.mark.parametrize("source", ["file", "live"])
@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/plain/a%20b/../c?x=%2f&y", [("X-Own", "1"), ("X-Forwarded-For", "192.0.2.1")]),
        ("/kept/a", [("TE", "trailers"), ("Via", "1.0 before")]),
        ("/keyed/a", [KEY]),
    ],
)
def test_what_the_target_sees(
    gateway: Gateway, origin: Origin, source: str, target: str, headers: list[tuple[str, str]]
) -> None:
    flags = ["-c", str(gateway.files[0])]
    if source == "live":
        flags = ["--live", "--admin", f"http://127.0.0.1:{gateway.admin_port}"]
    told = explain(gateway, target, headers, *flags)["target_request"]

    assert gateway.fetch(target, headers=headers).status == 200
    seen = origin.next_request()

    assert f"{told['method']} {told['target']} HTTP/1.1" == seen.start_line
    assert without_request_id(told["headers"]) == without_request_id(seen.headers)


def without_request_id(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() != "x-kong-request-id"]
