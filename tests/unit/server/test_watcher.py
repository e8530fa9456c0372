"""The watcher on real folders. Each test waits for the event itself; nothing sleeps."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from dbless_gateway.server.watcher import Fingerprint, Known, changes, fingerprint, watched_folders

pytestmark = pytest.mark.slow  # Real events are waited for.

LIMIT_S = 60.0  # beyond that it is not a busy machine but a change that nobody saw


class Watching:
    """A running watch: ``next`` waits for a change."""

    def __init__(self, *paths: Path) -> None:
        self.paths = [str(path) for path in paths]
        self.found: asyncio.Queue[Fingerprint] = asyncio.Queue()

    async def __aenter__(self) -> Watching:
        self.known = Known(await asyncio.to_thread(fingerprint, self.paths))
        self.task = asyncio.create_task(self._collect())
        await asyncio.sleep(0.3)  # The kernel's watch is set up in a thread, and nothing tells when.
        return self

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def _collect(self) -> None:
        async for found in changes(self.paths, self.known):
            self.found.put_nowait(found)

    async def next(self) -> None:
        getting = asyncio.ensure_future(self.found.get())
        await asyncio.wait({getting, self.task}, timeout=LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        assert getting.done(), "no change was seen"


def watch(scenario: Callable[[Watching], Awaitable[None]], *paths: Path) -> None:
    async def inner() -> None:
        async with Watching(*paths) as watching:
            await scenario(watching)

    asyncio.run(inner())


def replace(file: Path, text: str) -> None:
    fresh = file.with_name(".new~")
    fresh.write_text(text)
    fresh.replace(file)


def test_a_write_in_place(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("a")

    async def scenario(watching: Watching) -> None:
        for text in ("b", "c"):
            file.write_text(text)
            await watching.next()

    watch(scenario, file)


def test_a_rename_over_the_file_again_and_again(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("a")

    async def scenario(watching: Watching) -> None:
        for text in ("b", "c", "d"):
            replace(file, text)
            await watching.next()

    watch(scenario, file)


def mount(folder: Path, version: str, text: str) -> None:
    """Do what a kubelet does when a ConfigMap changes."""
    data = folder / f"..{version}"
    data.mkdir()
    (data / "kong.yaml").write_text(text)
    fresh = folder / "..data_tmp"
    fresh.symlink_to(data.name)
    fresh.replace(folder / "..data")
    if not (folder / "kong.yaml").is_symlink():
        (folder / "kong.yaml").symlink_to("..data/kong.yaml")


@pytest.mark.parametrize("whole_folder", [False, True])
def test_the_swap_of_a_mounted_config_map(tmp_path: Path, whole_folder: bool) -> None:
    mount(tmp_path, "2026_1", "a")

    async def scenario(watching: Watching) -> None:
        for number in (2, 3):
            mount(tmp_path, f"2026_{number}", f"text {number}")
            await watching.next()

    watch(scenario, tmp_path if whole_folder else tmp_path / "kong.yaml")


def test_an_edit_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    real = tmp_path / "real" / "kong.yaml"
    real.write_text("a")
    link = tmp_path / "links" / "kong.yaml"
    link.symlink_to(real)

    async def scenario(watching: Watching) -> None:
        replace(real, "b")
        await watching.next()

    watch(scenario, link)


def test_a_file_that_goes_and_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("a")

    async def scenario(watching: Watching) -> None:
        file.unlink()
        file.write_text("b")
        await watching.next()
        assert file.read_text() == "b"

    watch(scenario, file)


def test_a_folder_that_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    file = folder / "kong.yaml"
    file.write_text("a")

    async def scenario(watching: Watching) -> None:
        for text in ("b", "c"):
            file.unlink()
            folder.rmdir()
            folder.mkdir()
            file.write_text(text)
            await watching.next()

    watch(scenario, file)


def test_a_folder_with_a_new_file_and_a_new_folder(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a")

    async def scenario(watching: Watching) -> None:
        (tmp_path / "b.yaml").write_text("b")
        await watching.next()
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "c.yml").write_text("c")
        await watching.next()
        (tmp_path / "more" / "c.yml").write_text("d")
        await watching.next()

    watch(scenario, tmp_path)


def test_the_same_bytes_and_other_files_are_nothing(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("a")

    async def scenario(watching: Watching) -> None:
        replace(file, "a")
        (tmp_path / "notes.txt").write_text("x")
        os.utime(file)
        file.write_text("b")
        await watching.next()
        assert watching.found.empty()

    watch(scenario, file)


def test_several_files(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.yaml", "b.yaml")]
    for file in files:
        file.write_text("1")

    async def scenario(watching: Watching) -> None:
        for file in files:
            file.write_text("2")
            await watching.next()

    watch(scenario, *files)


def test_a_change_before_the_watch_began_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("a")
    known = fingerprint([str(file)])
    file.write_text("b")

    async def scenario() -> None:
        async with asyncio.timeout(LIMIT_S):
            async for found in changes([str(file)], Known(known)):
                assert found != known
                break

    asyncio.run(scenario())


def test_what_this_process_wrote_is_no_change_and_what_others_write_is(tmp_path: Path) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text("a")

    async def scenario(watching: Watching) -> None:
        watching.known.note(str(file), "b")
        replace(file, "b")
        # Back to what was there at first: only who knows of the write in between sees a change.
        (tmp_path / "other.txt").write_text("an event")
        replace(file, "a")
        await watching.next()
        assert watching.found.empty()

    watch(scenario, file)


def test_a_note_is_of_one_file(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(name)
    known = Known(fingerprint([str(tmp_path)]))
    known.note(f"{tmp_path}/./b.yaml", "new")
    known.note("elsewhere.yaml", "new")
    assert known.content != fingerprint([str(tmp_path)])
    (tmp_path / "b.yaml").write_text("new")
    assert known.content == fingerprint([str(tmp_path)])


def test_hidden_files_and_folders_do_not_belong(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    for name in ("..data/x.yaml", ".swp.yaml", "b.txt", "a.yaml", "c.json"):
        (tmp_path / name).write_text("x")
    assert [Path(name).name for name, _ in fingerprint([str(tmp_path)])] == ["a.yaml", "c.json"]


def test_every_folder_on_the_way_is_watched(tmp_path: Path) -> None:
    mount(tmp_path, "2026_1", "a")
    folders = {Path(name).name for name, _, _ in watched_folders([str(tmp_path / "kong.yaml")])}
    assert folders == {tmp_path.name, "..data", "..2026_1"}


def test_a_missing_file_still_has_its_folder_watched(tmp_path: Path) -> None:
    folders = watched_folders([str(tmp_path / "kong.yaml")])
    assert {name for name, _, _ in folders} == {str(tmp_path)}
