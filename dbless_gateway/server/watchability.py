"""Whether changes of the configuration's files can be noticed, judged by how the files are mounted.

A file that is a mount of its own (``docker run -v file:file``, ``subPath`` in Kubernetes) stays the file that
was mounted: who replaces it outside replaces a name that this container does not see. File systems of the
network deliver no events; there the watcher looks at times and sizes instead. Reads ``mountinfo``, changes
nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

MOUNTINFO = "/proc/self/mountinfo"

# Of these, changes made on another machine come without an event.
_WITHOUT_EVENTS = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "glusterfs"})
_OCTAL = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A line of ``mountinfo``."""

    point: str
    kind: str


class Visibility(NamedTuple):
    """What is to be said of one path; ``level`` is ``ok``, ``note`` or ``fail``."""

    level: str
    text: str


def read_mounts(path: str = MOUNTINFO) -> tuple[Mount, ...]:
    """Return the mounts of this process; none where the kernel does not tell."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ()
    return tuple(mount for line in lines if (mount := _read_line(line)) is not None)


def _read_line(line: str) -> Mount | None:
    before, dash, after = line.partition(" - ")
    fields, kinds = before.split(" "), after.split(" ")
    if not dash or len(fields) < 5:
        return None
    point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
    return Mount(point, kinds[0].removeprefix("fuse."))


def visibility(path: str, mounts: Sequence[Mount]) -> Visibility:
    """Tell whether changes of a file or folder can be seen."""
    if not os.path.exists(path):
        return Visibility("fail", "does not exist")
    real = os.path.realpath(path)
    if not os.path.isdir(real) and any(mount.point == real for mount in mounts):
        return Visibility(
            "fail",
            "is a mount of its own (a single file, or subPath): when it is replaced outside, "
            "that cannot be seen here; mount its folder",
        )
    kind = _kind_of(real, mounts)
    if kind in _WITHOUT_EVENTS:
        return Visibility("note", f"lies on {kind}, which sends no events: looked at every second")
    if os.path.islink(path):
        return Visibility("ok", f"leads to {real}; a link that is swapped is seen")
    return Visibility("ok", "changes are seen at once")


def _kind_of(real: str, mounts: Sequence[Mount]) -> str:
    above = [
        mount for mount in mounts if real == mount.point or real.startswith(mount.point.rstrip("/") + "/")
    ]
    return max(above, key=lambda mount: len(mount.point)).kind if above else ""
