"""The generated reference pages are what their generator writes now, and every row says something."""

from __future__ import annotations

import runpy

import pytest

from dbless_gateway.server.settings import SETTINGS, Setting
from tests.support.gateway import REPOSITORY

FOLDER = REPOSITORY / "docs" / "reference"
PAGES = runpy.run_path(str(FOLDER / "generate.py"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_not_stale(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "make docs writes it anew"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: str(setting.name))
def test_setting_is_described(setting: Setting) -> None:
    assert setting.help.endswith(".")
    assert setting.help[0].isupper()


def test_settings_have_one_row_each() -> None:
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
