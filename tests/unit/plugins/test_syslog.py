"""syslog, row by row of its page, against a real socket."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dbless_gateway.plugins import syslog
from tests.support.plugin_context import FakeContext, FakeHost, make_env, make_handler

DEFAULTS: dict[str, Any] = {
    "log_level": "info",
    "successful_severity": "info",
    "client_errors_severity": "info",
    "server_errors_severity": "info",
    "facility": "user",
}


FACILITIES = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    **{f"local{number}": 16 + number for number in range(8)},
}
# At the default log_level, info.
SHOWN_SEVERITIES = {"emerg": 0, "alert": 1, "crit": 2, "err": 3, "warning": 4, "notice": 5, "info": 6}


def listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    daemon.bind(str(path))
    daemon.setblocking(False)
    return daemon


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(syslog, "SOCKET_PATH", str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.fixture
def host() -> Iterator[FakeHost]:
    made = FakeHost()
    yield made
    for resource in made.resources.values():
        resource.close()


def log(host: FakeHost, status: int = 200, **config: str) -> None:
    ctx = FakeContext()
    ctx.respond(status)
    make_handler(syslog, DEFAULTS | config, make_env(host)).log(ctx)


@pytest.mark.parametrize(
    ("status", "config", "priority"),
    [
        (200, {}, 14),
        (200, {"facility": "local7"}, 23 * 8 + 6),
        (200, {"facility": "kern", "successful_severity": "emerg"}, 0),
        (200, {"facility": "authpriv"}, 86),
        *((200, {"facility": name}, number * 8 + 6) for name, number in FACILITIES.items()),
        *((200, {"successful_severity": name}, 8 + number) for name, number in SHOWN_SEVERITIES.items()),
        (400, {"client_errors_severity": "warning"}, 12),
        (499, {"client_errors_severity": "warning", "server_errors_severity": "alert"}, 12),
        (503, {"client_errors_severity": "crit"}, 14),
        (200, {"log_level": "emerg", "successful_severity": "alert"}, None),
        (404, {"client_errors_severity": "warning"}, 12),
        (500, {"server_errors_severity": "crit"}, 10),
        (399, {"client_errors_severity": "crit"}, 14),
        (200, {"log_level": "err"}, None),
        (500, {"log_level": "err", "server_errors_severity": "err"}, 11),
        (200, {"successful_severity": "debug"}, None),
        (200, {"log_level": "debug", "successful_severity": "debug"}, 15),
    ],
)
def test_severities(
    path: Path, host: FakeHost, status: int, config: dict[str, str], priority: int | None
) -> None:
    with closing(listen(path)) as daemon:
        log(host, status, **config)
        if priority is None:
            with pytest.raises(BlockingIOError):
                daemon.recv(65536)
            return
        message = daemon.recv(65536).decode()

    found = re.fullmatch(r"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d kong: (\{.*\})", message)
    assert found is not None
    assert int(found[1]) == priority
    assert json.loads(found[2])["response"]["status"] == status


def test_a_restarted_daemon_gets_the_next_message(path: Path, host: FakeHost) -> None:
    with closing(listen(path)) as daemon:
        log(host)
        daemon.recv(65536)
    with closing(listen(path)) as daemon:
        log(host)
        assert daemon.recv(65536)


def test_without_a_daemon_a_warning_is_logged(
    path: Path, host: FakeHost, caplog: pytest.LogCaptureFixture
) -> None:
    log(host)

    assert caplog.records[0].getMessage().startswith("syslog: ")


def test_a_daemon_that_does_not_read_makes_nobody_wait(
    path: Path, host: FakeHost, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(listen(path)):
        for _ in range(2000):
            log(host)
            if caplog.records:
                break

    assert "temporarily unavailable" in caplog.records[0].getMessage()
