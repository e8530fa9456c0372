"""The editor process: kept from one change to the next, never trusted with a file that has changed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dbless_gateway.admin.changes import Change
from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.server.editing import EDITOR_MODULE, EditorProcess
from dbless_gateway.server.editor import EditRequest
from dbless_gateway.server.load_messages import LoadRequest
from dbless_gateway.server.loading import Configuration, LoaderFailed
from dbless_gateway.snapshot.foreign_plugins import PluginSettings

pytestmark = pytest.mark.slow

TEXT = """\
_format_version: "3.0"
services:
- name: one  # the first
  url: http://one.test
  tags: ["a"]
"""
PLUGIN = '''"""mine: does nothing."""

from dataclasses import dataclass

NAME = "mine"
PRIORITY = 1


@dataclass(frozen=True, slots=True)
class Config:
    pass


class Handler:
    def __init__(self, config, env):
        pass

    def log(self, ctx):
        pass
'''


def request(file: Path, *tags: str, method: str = "PATCH", **load: object) -> EditRequest:
    options = LoadRequest((str(file),), (), ProxyOptions(), seed=b"x" * 32, **load)  # type: ignore[arg-type]
    return EditRequest(options, Change(method, "services", "one", {"tags": list(tags)}))


def play(scenario: Callable[[EditorProcess], Awaitable[None]], editor: EditorProcess | None = None) -> None:
    async def run() -> None:
        made = editor or EditorProcess()
        try:
            async with asyncio.timeout(60):
                await scenario(made)
        finally:
            await made.close()

    asyncio.run(run())


async def edited(editor: EditorProcess, wanted: EditRequest) -> Configuration:
    found = await editor.edit(wanted)
    assert isinstance(found, Configuration), found
    return found


def put(file: Path, text: str) -> None:
    file.write_text(text)


def text_after(found: Configuration) -> str:
    assert found.edit is not None
    return found.edit.new


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "kong.yaml"
    made.write_text(TEXT)
    return made


def test_one_process_makes_one_change_after_the_other(file: Path) -> None:
    async def scenario(editor: EditorProcess) -> None:
        pids = set()
        for tag in ("b", "c", "d"):
            found = await edited(editor, request(file, tag))
            assert "# the first" in text_after(found)
            assert f"- {tag}" in text_after(found)
            assert (found.counts, len(found.slices) > 0) == ({"services": 1}, True)
            put(file, text_after(found))
            assert editor.process is not None
            pids.add(editor.process.pid)
        assert len(pids) == 1

    play(scenario)


def test_a_change_by_hand_in_between_is_seen(file: Path) -> None:
    async def scenario(editor: EditorProcess) -> None:
        await edited(editor, request(file, "b"))
        put(file, TEXT.replace("one.test", "by-hand.test"))
        assert "by-hand.test" in text_after(await edited(editor, request(file, "c")))

    play(scenario)


def test_a_change_that_nobody_wrote_down_is_forgotten(file: Path) -> None:
    """The supervisor may find that the file has changed meanwhile, and make the change once more."""

    async def scenario(editor: EditorProcess) -> None:
        first = await edited(editor, request(file, "b"))
        again = await edited(editor, request(file, "b"))
        assert (text_after(first), first.hash) == (text_after(again), again.hash)

    play(scenario)


def test_what_is_kept_depends_on_how_files_are_loaded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_OF_ONE", "from-outside.test")
    file.write_text(TEXT.replace("http://one.test", "http://${HOST_OF_ONE}"))

    async def scenario(editor: EditorProcess) -> None:
        for expand in (True, False, True):
            found = await edited(editor, request(file, "b", expand_env=expand))
            assert found.edit is not None
            assert (found.edit.refusal is None) is expand, "as it is, it is no URL"
            assert ("${HOST_OF_ONE}" in found.edit.new) is expand, "the variable stays in the file"

    play(scenario)


def test_a_changed_plugin_is_run_anew(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    plugin = folder / "mine.py"
    plugin.write_text(PLUGIN)
    settings = PluginSettings((str(folder),))

    async def scenario(editor: EditorProcess) -> None:
        first = await edited(editor, request(file, "b", plugins=settings))
        put(plugin, PLUGIN + "# another text\n")
        assert (await edited(editor, request(file, "b", plugins=settings))).hash != first.hash

    play(scenario)


def test_what_is_refused_leaves_the_process_usable(file: Path) -> None:
    async def scenario(editor: EditorProcess) -> None:
        missing = EditRequest(request(file).load, Change("PATCH", "services", "two", {"tags": []}))
        found = await edited(editor, missing)
        assert found.edit is not None
        assert found.edit.refusal is not None
        assert found.edit.refusal.status == 404
        assert "- b" in text_after(await edited(editor, request(file, "b")))

    play(scenario)


def test_it_ends_when_nobody_needs_it(file: Path) -> None:
    async def scenario(editor: EditorProcess) -> None:
        await edited(editor, request(file, "b"))
        process = editor.process
        assert process is not None
        assert await process.wait() == 0
        assert editor.process is None
        await edited(editor, request(file, "c"))

    play(scenario, EditorProcess(idle_s=0.01))


def test_a_process_that_dies_is_an_error_once(file: Path) -> None:
    async def scenario(editor: EditorProcess) -> None:
        await edited(editor, request(file, "b"))
        process = editor.process
        assert process is not None
        process.kill()
        await process.wait()
        await edited(editor, request(file, "c"))

    play(scenario)


def test_a_process_that_says_nothing_is_an_error(file: Path) -> None:
    async def scenario(editor: EditorProcess) -> None:
        with pytest.raises(LoaderFailed, match="ended with code 3"):
            await editor.edit(request(file, "b"))
        assert editor.process is None

    play(scenario, EditorProcess([sys.executable, "-c", "import os; os.read(0, 1); raise SystemExit(3)"]))


# Behind everybody else it hangs, as on a machine where it never gets a core; else it is the editor.
STARVING = f"""
import os, runpy, select, time
select.select([0], [], [])
if os.sched_getscheduler(0) == os.SCHED_IDLE:
    time.sleep(600)
runpy.run_module({EDITOR_MODULE!r}, run_name="__main__")
"""


def test_an_editor_that_starves_is_replaced(file: Path) -> None:
    async def scenario(editor: EditorProcess) -> None:
        pids = set()
        for tag in ("b", "c"):
            assert f"- {tag}" in text_after(await edited(editor, request(file, tag)))
            assert editor.process is not None
            pids.add(editor.process.pid)
        assert len(pids) == 1, "the one that does not starve is kept"

    play(scenario, EditorProcess([sys.executable, "-c", STARVING], patience_s=0.1))
