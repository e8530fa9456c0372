"""Facts about every source file: what a reader may rely on wherever the file is opened."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.gateway import REPOSITORY

PACKAGE = REPOSITORY / "dbless_gateway"
SOURCES = sorted(PACKAGE.rglob("*.py"))
OURS = sorted(
    path
    for folder in ("dbless_gateway", "benchmarks", "tests/support", "tests/e2e", "tests/tidy")
    for path in (REPOSITORY / folder).rglob("*.py")
    if path.stat().st_size
)
# A drawer collects what nobody found a place for; a function goes where its subject lives.
DRAWERS = {"utils", "util", "helpers", "common", "misc", "base", "manager"}


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", OURS, ids=name)
def test_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "no docstring"


@pytest.mark.parametrize("path", OURS, ids=name)
def test_file_is_no_drawer(path: Path) -> None:
    assert path.stem not in DRAWERS


def test_no_module_keeps_changing_state() -> None:
    """What changes belongs to RuntimeState, or to an object that somebody made and passes on."""
    found = [
        f"{name(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Global)
    ]
    assert found == []
