"""Noticing that the configuration's files changed: by content, however it was changed.

What is watched is folders, never a file itself: a file that is replaced by rename (editors, ``sed -i``) or
through a symbolic link (a mounted ConfigMap) is another file afterwards, and a watch of the old one hears
nothing more. Folders are those of every link on the way to each file. A change counts when the bytes differ
from those loaded last, and have stopped changing: a writer that empties a file before it fills it must not
be caught in between.

File systems without events (some network mounts) are met by a look at times and sizes every ``POLL_S``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path

import watchfiles
import xxhash

# Events of one change come in a burst; the first quiet moment after this many milliseconds ends it.
DEBOUNCE_MS = 50
QUIET_MS = 20
# Two looks at the bytes that far apart must agree.
SETTLE_S = 0.05
# An empty file is usually one that is about to be filled; after this many looks it is believed.
EMPTY_LOOKS = 10
LOOKS_MAX = 40
POLL_S = 1.0

_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".py"})

Fingerprint = tuple[tuple[str, str], ...]


class Known:
    """The content that is served or was refused: nothing has changed as long as it stands in the files."""

    def __init__(self, content: Fingerprint) -> None:
        """``content`` was taken before it was loaded, so that a change in between is not missed."""
        self.content = content

    def note(self, file: str, text: str) -> None:
        """Note that this process has written a file itself, and serves what is in it."""
        name, digest = str(Path(file)), xxhash.xxh3_128_hexdigest(text.encode())
        self.content = tuple((other, digest if other == name else old) for other, old in self.content)


async def changes(paths: Sequence[str], known: Known) -> AsyncIterator[Fingerprint]:
    """Yield a fingerprint whenever the content below ``paths`` is not the known one, and complete."""
    seen: tuple[object, ...] | None = None
    while True:
        folders = watched_folders(paths)
        async for eventful in _moments(folders):
            signature = _signature(paths)
            if eventful or signature != seen:
                seen = signature
                current = await _settled(paths)
                if current != known.content and _is_complete(current):
                    known.content = current
                    yield current
            if watched_folders(paths) != folders:
                break


async def _moments(folders: Iterable[tuple[str, int, int]]) -> AsyncIterator[bool]:
    """Yield True when something happened in a folder, False at first and every now and then."""
    yield False
    names = [folder for folder, _, _ in folders]
    if not names:
        await asyncio.sleep(POLL_S)
        yield False
        return
    try:
        async for events in watchfiles.awatch(
            *names,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=QUIET_MS,
            rust_timeout=int(POLL_S * 1000),
            yield_on_timeout=True,
            recursive=False,
        ):
            yield bool(events)
    except FileNotFoundError:
        # A folder went between the look and the watch; the next look finds what is there.
        yield True


async def _settled(paths: Sequence[str]) -> Fingerprint:
    """Return the fingerprint when it has stopped changing."""
    previous = await asyncio.to_thread(fingerprint, paths)
    for look in range(LOOKS_MAX):
        await asyncio.sleep(SETTLE_S)
        current = await asyncio.to_thread(fingerprint, paths)
        if current == previous and (look >= EMPTY_LOOKS or not _has_empty(current)):
            break
        previous = current
    return previous


_MISSING = ""
_EMPTY = xxhash.xxh3_128_hexdigest(b"")


def _is_complete(found: Fingerprint) -> bool:
    # A file that is gone is usually about to come back; what was loaded from it goes on serving.
    return all(digest != _MISSING for _, digest in found)


def _has_empty(found: Fingerprint) -> bool:
    return any(digest in (_EMPTY, _MISSING) for _, digest in found)


def fingerprint(paths: Sequence[str]) -> Fingerprint:
    """Return name and digest of every file that belongs to the configuration."""
    return tuple((str(file), _digest(file)) for file in _files(paths))


def _digest(file: Path) -> str:
    try:
        return xxhash.xxh3_128_hexdigest(file.read_bytes())
    except OSError:
        return _MISSING


def _signature(paths: Sequence[str]) -> tuple[object, ...]:
    """Return what a look without reading tells."""
    found: list[object] = []
    for file in _files(paths):
        try:
            stat = file.stat()
            found.append((str(file), stat.st_ino, stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append(str(file))
    return tuple(found)


def _files(paths: Sequence[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        for folder in _folders_below(path):
            yield from sorted(file for file in folder.glob("*") if _is_configuration(file))


def _is_configuration(file: Path) -> bool:
    return file.suffix in _SUFFIXES and not file.name.startswith(".") and file.is_file()


def _folders_below(path: Path) -> list[Path]:
    # Names with a dot in front are the machinery of a mounted ConfigMap, and editors' own files.
    found: list[Path] = []
    for folder, names, _ in os.walk(path, followlinks=False):
        names[:] = sorted(name for name in names if not name.startswith("."))
        found.append(Path(folder))
    return found


def watched_folders(paths: Sequence[str]) -> frozenset[tuple[str, int, int]]:
    """Return every folder whose events matter, with its identity: one that was made anew is another one."""
    folders: set[Path] = set()
    for path in map(Path, paths):
        if path.is_dir():
            folders.update(_folders_below(path))
        folders.update(link.parent for link in _links(path))
    return frozenset(identity for identity in map(_identity, folders) if identity is not None)


def _links(path: Path) -> Iterator[Path]:
    """Yield the path and, while it is a symbolic link, what it points to."""
    current = Path(os.path.abspath(path))
    for _ in range(40):  # As many as the kernel follows.
        yield current
        if not current.is_symlink():
            break
        current = Path(os.path.normpath(current.parent / os.readlink(current)))
    yield Path(os.path.realpath(path))


def _identity(folder: Path) -> tuple[str, int, int] | None:
    try:
        stat = folder.stat()
    except OSError:
        return None
    return str(folder), stat.st_dev, stat.st_ino
