"""A copy of the texts that were served last, so that a restart with a broken file can serve them again.

It is written only when ``on_invalid`` asks for it, since configurations hold secrets: into a folder of our
own, readable for nobody else, by writing aside and renaming. It holds the texts as they were read, so a newer
version of the gateway reads them like any other configuration.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = "last-good.json"

Texts = tuple[tuple[str, str], ...]  # (name of the file, its text), in order


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return where state is kept: what systemd says, else what the desktop's conventions say."""
    if state := environ.get("STATE_DIRECTORY"):
        return Path(state.split(":")[0])
    base = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME", "/var/lib"), ".local/state")
    return Path(base) / "dbless-gateway"


def keep(folder: Path, texts: Texts) -> None:
    """Replace the copy; raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f".{FILE_NAME}.{os.getpid()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(texts, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / FILE_NAME)


def recall(folder: Path) -> Texts | None:
    """Return the copy, or None when there is none that can be read."""
    try:
        found = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        return tuple((str(name), str(text)) for name, text in found)
    except (OSError, ValueError, TypeError):
        return None
