"""file-log, row by row of its page."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from dbless_gateway.plugins import file_log
from tests.support.plugin_context import FakeContext, FakeHost, make_env, make_handler


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


def test_a_new_file_can_be_read_by_everybody(tmp_path: Path) -> None:
    path, host = tmp_path / "new.log", FakeHost()
    mask = os.umask(0o022)
    log(make(path, host))
    os.umask(mask)
    close(host)

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize(("reopen", "lines"), [(False, 0), (True, 1)])
def test_reopen_survives_rotation(tmp_path: Path, reopen: bool, lines: int) -> None:
    path, host = tmp_path / "access.log", FakeHost()
    handler = make(path, host, reopen=reopen)
    log(handler)
    path.rename(tmp_path / "access.log.1")
    log(handler)
    close(host)

    assert (path.read_bytes().count(b"\n") if path.exists() else 0) == lines


def test_handlers_of_one_path_share_the_descriptor(tmp_path: Path) -> None:
    host = FakeHost()
    for _ in range(3):
        log(make(tmp_path / "access.log", host))

    assert len(host.resources) == 1
    close(host)


def test_a_file_that_cannot_be_opened_is_only_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log(make(tmp_path / "missing" / "access.log", FakeHost()))
    log(make(tmp_path, FakeHost()))

    assert [record.getMessage()[:26] for record in caplog.records] == ["failed to open the file: ["] * 2


@pytest.mark.parametrize("reopen", [False, True])
def test_devices_work(reopen: bool, caplog: pytest.LogCaptureFixture) -> None:
    host = FakeHost()
    handler = make(Path("/dev/null"), host, reopen=reopen)
    log(handler)
    log(handler)
    close(host)

    assert not caplog.records


def test_a_pipe_that_nobody_reads_makes_nobody_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, host = tmp_path / "pipe", FakeHost()
    os.mkfifo(path)
    handler = make(path, host)
    log(handler)
    assert "failed to open the file: [Errno 6]" in caplog.records[0].getMessage()

    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log(handler, 404)
    line = os.read(reader, 65536)
    os.close(reader)
    close(host)
    assert json.loads(line)["response"]["status"] == 404


def test_a_file_that_could_not_be_opened_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, host = tmp_path / "folder" / "access.log", FakeHost()
    handler = make(path, host)
    log(handler)
    path.parent.mkdir()
    log(handler, 404)
    close(host)

    assert len(caplog.records) == 1
    assert json.loads(path.read_bytes())["response"]["status"] == 404


def test_custom_fields(tmp_path: Path) -> None:
    path, host = tmp_path / "access.log", FakeHost()
    fields = {"nested.keys": "return 1", r"escape\.dots": "return 'x'", "response": "return nil"}
    log(make(path, host, custom_fields_by_lua=fields))
    close(host)
    record = json.loads(path.read_bytes())

    assert (record["nested"], record["escape.dots"]) == ({"keys": 1}, "x")
    assert "response" not in record


def test_a_full_disk_costs_the_line_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    host = FakeHost()
    log(make(Path("/dev/full"), host))
    close(host)

    assert "No space left on device" in caplog.records[0].getMessage()
