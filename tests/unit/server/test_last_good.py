from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dbless_gateway.server.last_good import FILE_NAME, default_folder, keep, recall

TEXTS = (("a.yaml", "secret: ü"), ("b.yaml", ""))


def test_what_is_kept_is_recalled(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    keep(folder, (("old.yaml", "x"),))
    keep(folder, TEXTS)
    assert recall(folder) == TEXTS
    assert [file.name for file in folder.iterdir()] == [FILE_NAME]


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    keep(tmp_path / "state", TEXTS)
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state", tmp_path / "state" / FILE_NAME)
    ]
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize("content", [None, "", "{", "5", '[["a"]]', "\xff"])
def test_what_cannot_be_read_is_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / FILE_NAME).write_bytes(content.encode("latin-1"))
    assert recall(tmp_path) is None


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/x:/y", "HOME": "/h"}, "/var/lib/x"),
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/dbless-gateway"),
        ({"HOME": "/h"}, "/h/.local/state/dbless-gateway"),
    ],
)
def test_the_folder(environ: dict[str, str], folder: str) -> None:
    assert default_folder(environ) == Path(folder)
