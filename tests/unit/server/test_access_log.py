from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from dbless_gateway.server.access_log import FLUSH_BYTES, AccessLog


@dataclass
class Finished:
    """What the log reads of a finished exchange."""

    client_ip: str = "10.0.0.9"
    started_at: float = 0.0
    method: str = "GET"
    raw_path: str = "/a"
    raw_query: str | None = None
    http_version: str = "1.1"
    status: int = 200
    response_size: int = 12
    request_id: str = "abc"
    headers: dict[str, str] = field(default_factory=dict)


def written(tmp_path: Path, *exchanges: Finished) -> list[str]:
    file = tmp_path / "access.log"

    async def write() -> None:
        log = AccessLog(str(file))
        for exchange in exchanges:
            log.write(cast(Any, exchange))
        log.flush()

    asyncio.run(write())
    return file.read_text().splitlines()


def test_a_line_has_kongs_format(tmp_path: Path) -> None:
    headers = {"referer": "http://x/", "user-agent": "curl/8"}
    (line,) = written(tmp_path, Finished(raw_query="b=1", headers=headers))
    pattern = (
        r"10\.0\.0\.9 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
        r'"GET /a\?b=1 HTTP/1\.1" 200 12 "http://x/" "curl/8" kong_request_id: "abc"'
    )
    assert re.fullmatch(pattern, line)


def test_credentials_in_the_query_are_not_written(tmp_path: Path) -> None:
    file = tmp_path / "access.log"

    async def write() -> None:
        log = AccessLog(str(file))
        log.secrets = {"apikey"}
        log.write(cast(Any, Finished(raw_query="page=2&ApiKey=s3cret&%61pikey=s3cret")))
        log.flush()

    asyncio.run(write())
    assert "/a?page=2&ApiKey=REDACTED&%61pikey=REDACTED HTTP" in file.read_text()


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ('a"b', "a\\x22b"),
        ("a\\b", "a\\x5Cb"),
        ("a\nb\x7f", "a\\x0Ab\\x7F"),
        ("caf\xe9", "caf\\xE9"),
    ],
)
def test_clients_cannot_forge_lines(tmp_path: Path, agent: str, shown: str) -> None:
    (line,) = written(tmp_path, Finished(headers={"user-agent": agent}))
    assert f'"-" "{shown}" kong' in line


def run(scenario: Callable[[], Any]) -> None:
    async def inner() -> None:
        await scenario()

    asyncio.run(inner())


def test_lines_are_collected_and_written_in_time(tmp_path: Path) -> None:
    file = tmp_path / "log"

    async def scenario() -> None:
        log = AccessLog(str(file))
        log.write(cast(Any, Finished()))
        assert file.read_text() == ""
        async with asyncio.timeout(10):
            while file.read_text() == "":  # noqa: ASYNC110  # A file has no event to wait for.
                await asyncio.sleep(0.01)

    run(scenario)


def test_many_lines_are_written_at_once(tmp_path: Path) -> None:
    file = tmp_path / "log"

    async def scenario() -> None:
        log = AccessLog(str(file))
        while file.stat().st_size == 0:
            log.write(cast(Any, Finished()))
        assert file.stat().st_size >= FLUSH_BYTES

    run(scenario)


def test_a_moved_file_is_opened_anew(tmp_path: Path) -> None:
    file, moved = tmp_path / "log", tmp_path / "log.1"

    async def scenario() -> None:
        log = AccessLog(str(file))
        log.write(cast(Any, Finished()))
        file.rename(moved)
        log.reopen()
        log.write(cast(Any, Finished()))
        log.flush()

    run(scenario)
    assert len(moved.read_text().splitlines()) == len(file.read_text().splitlines()) == 1


def test_standard_output_is_not_opened_by_name(capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        log = AccessLog("/dev/stdout")
        log.write(cast(Any, Finished()))
        log.reopen()

    run(scenario)
    assert "kong_request_id" in capfd.readouterr().out


def test_a_full_disk_loses_lines_and_no_request(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        log = AccessLog("/dev/full")
        log.write(cast(Any, Finished()))
        log.flush()
        log.flush()

    run(scenario)
    assert caplog.text.count("access log lines are lost") == 1
