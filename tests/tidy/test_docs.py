"""The documentation is right: its examples run, its links lead somewhere, its names exist.

How a page is played is told in ``tests/support/doc_session.py``.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import Source
from dbless_gateway.server.settings import SETTINGS
from tests.support.doc_session import Block, DocSession, blocks
from tests.support.gateway import REPOSITORY

PAGES = sorted(
    path
    for path in (
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "benchmarks").glob("*.md"),
    )
    if path.name != "CHANGELOG.md"
)
# Blocks that are shown and not run, and why that is no loss.
SHOWN_ONLY = {
    "text": "a drawing or a log line",
    "python": "compiled only",
    "mermaid": "a drawing",
    "ini": "a unit file, judged in tests/e2e/test_systemd.py",
    "dockerfile": "an image for another machine",
}
# Commands of ``sh`` blocks, and what runs them instead of this test.
RUN_ELSEWHERE = {
    "make run": "tests/e2e/test_example.py",
    "make test": "this very run",
    "make check": "the developer",
    "make docs": "tests/tidy/test_reference.py",
    "make bench": "the developer",
    "git clone": "the reader",
    "cd dbless-gateway": "the reader",
    ".venv/bin/": "the developer",
}
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def is_played(block: Block) -> bool:
    return block.language == "console" or block.title is not None


PLAYED = [page for page in PAGES if any(map(is_played, blocks(page)))]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples call curl")
@pytest.mark.slow
@pytest.mark.parametrize("page", PLAYED, ids=name)
def test_examples_do_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    with DocSession(tmp_path) as session:
        for block in blocks(page):
            try:
                session.play(block)
            except AssertionError as error:
                error.add_note(f"{name(page)}:{block.line}")
                raise


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_run_or_has_an_excuse(page: Path) -> None:
    for block in blocks(page):
        place = f"{name(page)}:{block.line}"
        if is_played(block) or block.language in SHOWN_ONLY:
            continue
        if block.language == "yaml":
            assert problems_of(block.text) == [], place
        else:
            assert block.language == "sh", place
            for line in block.text.splitlines():
                assert line.startswith(tuple(RUN_ELSEWHERE)), f"{place}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_examples_compile(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, f"{name(page)}:{block.line}", "exec")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


def test_every_page_can_be_found() -> None:
    """From the README, by links alone."""
    found, waiting = set(), [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in found or page.suffix != ".md":
            continue
        found.add(page)
        waiting += [page.parent / target for target in LINK.findall(page.read_text()) if "://" not in target]

    assert set(PAGES) <= found, set(PAGES) - found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    """``proxy/exchange.py`` in prose means the file in the package, or in the checkout."""
    for path in re.findall(r"`([\w./-]+/[\w-]+\.(?:py|json|md))`", page.read_text()):
        assert any((root / path).exists() for root in (REPOSITORY, REPOSITORY / "dbless_gateway")), path


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_settings_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"KONG_[A-Z0-9_]+[A-Z0-9]", page.read_text()))

    assert named <= {setting.variable for setting in SETTINGS}


def problems_of(text: str) -> list[Problem]:
    """Load a whole configuration and return what is wrong with it."""
    return load([Source("example.yaml", text)], LoadOptions(environ={}, mock_env=True)).problems
