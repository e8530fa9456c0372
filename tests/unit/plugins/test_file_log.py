"""file-log, row by row of its page."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from dbless_gateway.plugins import file_log
from tests.support.plugin_context import FakeContext, FakeHost, make_env, make_handler


def on_a_loop(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test inside an event loop, which gives what was logged no time: only ``close`` or ``flush`` writes it."""

    @wraps(test)
    def run(**arguments: Any) -> None:
        async def scenario() -> None:
            test(**arguments)

        asyncio.run(scenario())

    return run


def make(path: Path, host: FakeHost, **config: Any) -> Any:
    values = {"path": str(path), "reopen": False, "custom_fields_by_lua": None} | config
    return make_handler(file_log, values, make_env(host))


def log(handler: Any, status: int = 200) -> None:
    ctx = FakeContext()
    ctx.respond(status)
    handler.log(ctx)


def close(host: FakeHost) -> None:
    for file in host.resources.values():
        file.close()


def flush(host: FakeHost) -> None:
    for file in host.resources.values():
        file.flush()


@on_a_loop
def test_appends_lines_of_json(tmp_path: Path) -> None:
    path, host = tmp_path / "access.log", FakeHost()
    path.write_bytes(b"before\n")
    handler = make(path, host, custom_fields_by_lua={"new_field": "return 123"})
    log(handler)
    log(handler, 404)
    close(host)
    lines = path.read_bytes().splitlines()

    assert lines[0] == b"before"
    assert [json.loads(line)["response"]["status"] for line in lines[1:]] == [200, 404]
    assert json.loads(lines[1])["new_field"] == 123


@on_a_loop
def test_a_new_file_can_be_read_by_everybody(tmp_path: Path) -> None:
    path, host = tmp_path / "new.log", FakeHost()
    mask = os.umask(0o022)
    log(make(path, host))
    os.umask(mask)
    close(host)

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize(("reopen", "lines"), [(False, 0), (True, 1)])
@on_a_loop
def test_reopen_survives_rotation(tmp_path: Path, reopen: bool, lines: int) -> None:
    path, host = tmp_path / "access.log", FakeHost()
    handler = make(path, host, reopen=reopen)
    log(handler)
    flush(host)
    path.rename(tmp_path / "access.log.1")
    log(handler)
    close(host)

    assert (path.read_bytes().count(b"\n") if path.exists() else 0) == lines


@on_a_loop
def test_handlers_of_one_path_share_the_descriptor(tmp_path: Path) -> None:
    host = FakeHost()
    for _ in range(3):
        log(make(tmp_path / "access.log", host))

    assert len(host.resources) == 1
    close(host)


@on_a_loop
def test_a_file_that_cannot_be_opened_is_only_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = FakeHost()
    for path in (tmp_path / "missing" / "access.log", tmp_path):
        log(make(path, host))
        log(make(path, host))
    close(host)

    messages = [record.getMessage() for record in caplog.records]
    assert [message[:26] for message in messages] == ["failed to open the file: ["] * 2
    assert all(message.endswith("; lines lost: 2") for message in messages)


@pytest.mark.parametrize("reopen", [False, True])
@on_a_loop
def test_devices_work(reopen: bool, caplog: pytest.LogCaptureFixture) -> None:
    host = FakeHost()
    handler = make(Path("/dev/null"), host, reopen=reopen)
    log(handler)
    flush(host)
    log(handler)
    close(host)

    assert not caplog.records


@on_a_loop
def test_a_pipe_that_nobody_reads_makes_nobody_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, host = tmp_path / "pipe", FakeHost()
    os.mkfifo(path)
    handler = make(path, host)
    log(handler)
    flush(host)
    assert "failed to open the file: [Errno 6]" in caplog.records[0].getMessage()

    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log(handler, 404)
    flush(host)
    line = os.read(reader, 65536)
    os.close(reader)
    close(host)
    assert json.loads(line)["response"]["status"] == 404


@on_a_loop
def test_a_file_that_could_not_be_opened_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, host = tmp_path / "folder" / "access.log", FakeHost()
    handler = make(path, host)
    log(handler)
    flush(host)
    path.parent.mkdir()
    log(handler, 404)
    close(host)

    assert len(caplog.records) == 1
    assert json.loads(path.read_bytes())["response"]["status"] == 404


@on_a_loop
def test_custom_fields(tmp_path: Path) -> None:
    path, host = tmp_path / "access.log", FakeHost()
    fields = {"nested.keys": "return 1", r"escape\.dots": "return 'x'", "response": "return nil"}
    log(make(path, host, custom_fields_by_lua=fields))
    close(host)
    record = json.loads(path.read_bytes())

    assert (record["nested"], record["escape.dots"]) == ({"keys": 1}, "x")
    assert "response" not in record


@on_a_loop
def test_a_full_disk_costs_the_line_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    host = FakeHost()
    log(make(Path("/dev/full"), host))
    close(host)

    assert "No space left on device" in caplog.records[0].getMessage()


@on_a_loop
def test_lines_that_fill_a_write_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_log, "FLUSH_BYTES", 1000)
    path, host = tmp_path / "access.log", FakeHost()
    handler = make(path, host)
    for status in range(200, 210):
        log(handler, status)
    written = path.read_bytes()
    close(host)

    assert 1 < written.count(b"\n") < 10
    assert [json.loads(line)["response"]["status"] for line in path.read_bytes().splitlines()] == [
        *range(200, 210)
    ]


def test_lines_are_written_soon(tmp_path: Path) -> None:
    path, host = tmp_path / "pipe", FakeHost()
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    async def scenario() -> None:
        written = asyncio.Event()
        asyncio.get_running_loop().add_reader(reader, written.set)
        log(make(path, host))
        async with asyncio.timeout(60):
            await written.wait()

    asyncio.run(scenario())
    line = os.read(reader, 65536)
    os.close(reader)
    close(host)
    assert json.loads(line)["response"]["status"] == 200


@on_a_loop
def test_lines_for_a_pipe_are_written_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = os.write

    def note(descriptor: int, data: bytes) -> int:
        sizes.append(data.count(b"\n"))
        return write(descriptor, data)

    path, host = tmp_path / "pipe", FakeHost()
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr(os, "write", note)
    for place in (path, tmp_path / "file"):
        handler = make(place, host)
        log(handler)
        log(handler)
        flush(host)
    os.close(reader)
    close(host)

    assert sizes == [1, 1, 2]
