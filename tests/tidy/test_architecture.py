"""ARCHITECTURE.md speaks of every folder, and only of folders that exist."""

from __future__ import annotations

import re

from tests.support.gateway import REPOSITORY


def test_code_map_is_complete() -> None:
    headings = re.findall(r"^### (.*)$", (REPOSITORY / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    told = {name for heading in headings for name in re.findall(r"`(\w+)/`", heading)} - {"schemas"}
    folders = {path.parent.name for path in (REPOSITORY / "dbless_gateway").glob("*/__init__.py")}
    assert told == folders
