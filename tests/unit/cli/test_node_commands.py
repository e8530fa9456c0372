"""``reload`` and ``status`` against a real Admin API that answers with what a test says."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dbless_gateway.admin.api import ADMIN_API, Api
from dbless_gateway.admin.server import AdminServer
from dbless_gateway.cli import node_address, reload, status
from dbless_gateway.config.entities import Upstream
from dbless_gateway.runtime.report import ReloadReport
from tests.unit.admin.node_reports import FixedCommands, node
from tests.unit.admin.served import catalog

REJECTED = ReloadReport("rejected", 2.0, "abc", None, 1.0, problems=("kong.yaml:1:1: error[x] no",))


@contextmanager
def admin_api(commands: FixedCommands) -> Iterator[str]:
    """Serve the Admin API in a thread; yield its URL."""
    sock = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    server = AdminServer(Api(ADMIN_API, commands, is_protected=True).answer, "kong/x")
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start([sock], 16), loop).result()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def test_a_reload_prints_its_receipt(capsys: pytest.CaptureFixture[str]) -> None:
    with admin_api(FixedCommands()) as url:
        assert reload.main(["--wait", "--admin", url]) == 0
    assert capsys.readouterr().out == "reloaded: def (4 routes; 20 ms)\n"


def test_a_rejected_reload_prints_the_problems_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with admin_api(FixedCommands(receipt=REJECTED)) as url:
        assert reload.main(["--admin", url]) == 1
    assert capsys.readouterr().err == "kong.yaml:1:1: error[x] no\nrejected: abc goes on serving\n"


def test_status_prints_what_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    with admin_api(FixedCommands()) as url:
        assert status.main(["--admin", url]) == 0
    out = capsys.readouterr().out
    assert "configuration  abc, since " in out
    assert "worker 0       serving, pid 11, since " in out


def test_status_tells_why_the_last_reload_was_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    with admin_api(node(last_load=REJECTED)) as url:
        assert status.main(["--admin", url]) == 0
    assert "               kong.yaml:1:1: error[x] no" in capsys.readouterr().out


class ThreeUpstreams:
    """Views in which one upstream is well, one is in trouble, and one is not checked."""

    FOUND = (
        {"name": "well", "health": "HEALTHY", "targets": {"10.0.0.1:80": "HEALTHY"}},
        {"name": "ill", "health": "UNHEALTHY", "targets": {"a:80": "UNHEALTHY", "b:80": "DNS_ERROR"}},
        {"name": "any", "health": "HEALTHCHECKS_OFF", "targets": {"c:80": "HEALTHCHECKS_OFF"}},
    )

    def overview(self, upstream: Upstream) -> dict[str, Any]:
        return next(found for found in self.FOUND if found["name"] == upstream.name)


def test_status_tells_of_upstreams_and_names_those_in_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    text = '_format_version: "3.0"\nupstreams: [{name: well}, {name: ill}, {name: any}]'
    views: Any = ThreeUpstreams()
    with admin_api(FixedCommands(served=catalog(text), views=views)) as url:
        assert status.main(["--admin", url]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "upstreams      1 healthy, 1 not checked, 1 unhealthy",
        "               ill UNHEALTHY: a:80 UNHEALTHY, b:80 DNS_ERROR",
    ]


def test_status_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with admin_api(FixedCommands()) as url:
        assert status.main(["--admin", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["configuration_hash"] == "abc"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"draining": True}, ", draining: not ready any more"),
        ({"serves_last_good": True}, ": the last good one, since the files are invalid"),
    ],
)
def test_status_tells_what_is_unusual(
    changes: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with admin_api(node(**changes)) as url:
        status.main(["--admin", url])
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("changes", [{"draining": True}, {"workers": ()}])
def test_status_exits_with_1_when_nothing_is_served(
    changes: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    with admin_api(node(**changes)) as url:
        assert status.main(["--admin", url]) == 1


@pytest.mark.parametrize("command", [reload, status])
def test_no_gateway_exits_with_4(
    command: object, unused_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    main = command.main  # type: ignore[attr-defined]
    assert main(["--admin", f"http://127.0.0.1:{unused_port}"]) == 4
    assert "no gateway answers at" in capsys.readouterr().err


@pytest.fixture
def unused_port() -> Iterator[int]:
    with socket.socket() as sock:  # Bound, but it does not listen.
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:9001", "http://127.0.0.1:9001"),
        ("0.0.0.0:8444 ssl, 0.0.0.0:8001", "http://127.0.0.1:8001"),
        ("[::]:8001", "http://[::1]:8001"),
        ("0.0.0.0:8444 ssl", "https://127.0.0.1:8444"),
    ],
)
def test_the_address_comes_from_the_settings(listen: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONG_ADMIN_LISTEN", listen)
    assert address().url == url


def address(*flags: str) -> node_address.NodeAddress:
    parser = argparse.ArgumentParser()
    node_address.add_address_flags(parser)
    return node_address.address_of(parser.parse_args(flags))


def test_the_token_comes_from_the_settings_or_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONG_ADMIN_TOKEN", "of the settings")
    assert address().token == "of the settings"
    assert address("--admin-token", "given").token == "given"
    assert address("--admin-token", "").token == ""


def test_the_token_is_shown_and_its_lack_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with admin_api(FixedCommands(token="secret")) as url:
        assert status.main(["--admin", url, "--admin-token", "secret"]) == 0
        monkeypatch.setenv("KONG_ADMIN_TOKEN", "secret")
        assert reload.main(["--admin", url]) == 0
        monkeypatch.setenv("KONG_ADMIN_TOKEN", "other")
        assert status.main(["--admin", url]) == 4
    assert "wants its token: set KONG_ADMIN_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--admin", "http://127.0.0.1:x"], "is no address"),
        (["--admin", "https://127.0.0.1:1", "--admin-ca", "/no/such.pem"], "cannot use /no/such.pem"),
        (["--admin", "https://127.0.0.1:1", "--admin-cert", "/no/such.pem"], "cannot use /no/such.pem"),
    ],
)
def test_bad_flags_are_told(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(flags) == 4
    assert said in capsys.readouterr().err


def test_without_an_admin_api_it_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KONG_ADMIN_LISTEN", "off")
    assert status.main([]) == 4
    assert "name it with --admin" in capsys.readouterr().err
