"""The table of settings."""

from __future__ import annotations

from dbless_gateway.server.inert_settings import MODEST_VALUES, UNSUPPORTED, WITHOUT_EFFECT
from dbless_gateway.server.settings import BY_NAME, FLAGGED, SETTINGS


def test_names_and_flags_are_unique_and_helped() -> None:
    assert len(BY_NAME) == len(SETTINGS)
    assert len({setting.flag for setting in FLAGGED}) == len(FLAGGED)
    assert all(setting.help.endswith(".") for setting in SETTINGS)


def test_no_name_stands_in_two_lists() -> None:
    assert not WITHOUT_EFFECT & UNSUPPORTED
    assert not (WITHOUT_EFFECT | UNSUPPORTED) & BY_NAME.keys()
    assert MODEST_VALUES.keys() <= UNSUPPORTED
