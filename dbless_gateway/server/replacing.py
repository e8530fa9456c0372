"""Files replaced in one step, and what is left where the process was killed in the middle of one.

The new text is complete and on disk under a name of its own before it takes that of the file. So a crash
leaves the old or the new file, and maybe that other name beside it, which the next start removes.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_FRESH = re.compile(r"\.(?P<target>.+)\.\d+\.new")


def replace_file(path: Path, text: str) -> None:
    """Replace a file in one step; raises OSError and then has changed nothing."""
    target = path.resolve()  # A symbolic link stays one.
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        mode = target.stat().st_mode & 0o777
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # Tells a node that starts that this is no leftover.
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # The new name must survive a power failure as well.
    finally:
        os.close(folder)


def remove_leftovers(names: Iterable[str]) -> list[str]:
    """Remove what replacing these files, or files in these folders, has left; return what it was."""
    found = [fresh for name in names for fresh in _fresh_files(Path(name).resolve())]
    return [str(fresh) for fresh in found if _removed_if_abandoned(fresh)]


def _fresh_files(path: Path) -> Iterator[Path]:
    found = path.rglob(".*.new") if path.is_dir() else path.parent.glob(".*.new")
    for fresh in found:
        match = _FRESH.fullmatch(fresh.name)
        if match is None or not fresh.is_file():
            continue
        target = fresh.with_name(match["target"])
        if target == path or (path.is_dir() and target.is_file()):
            yield fresh


def _removed_if_abandoned(fresh: Path) -> bool:
    """Remove a file that nobody holds: its number says little, it may be taken or of another container."""
    try:
        with fresh.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.unlink()
    except OSError:
        return False
    return True
