"""What is told and remembered of loads."""

from __future__ import annotations

import logging
import time

import pytest

from dbless_gateway.server.load_history import LoadHistory
from dbless_gateway.server.loading import Configuration
from dbless_gateway.server.receipts import Receipt


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "dbless_gateway")


def configuration(hash_: str) -> Configuration:
    return Configuration(hash_, {"routes": 2}, (), (), (), {})


def test_nothing_is_served_before_the_first_one() -> None:
    history = LoadHistory()

    assert (history.served_since, history.last, history.totals.succeeded) == (None, None, 0)


def test_what_is_served_dates_from_the_last_change() -> None:
    history = LoadHistory()
    history.started(configuration("a"), time.monotonic(), {})
    started_at = history.served_since
    history.unchanged(configuration("a"), time.monotonic())
    history.rejected("a", "b", ["no"], time.monotonic())

    assert history.served_since == started_at

    report = history.reloaded("a", configuration("c"), time.monotonic(), Receipt(swap_ms=2.0))

    assert history.served_since == report.at
    assert (history.totals.succeeded, history.totals.rejected) == (3, 1)
    assert (history.last, report.old_hash, report.new_hash, report.swap_ms) == (report, "a", "c", 2.0)


def test_a_rejection_names_what_goes_on_and_every_reason(caplog: pytest.LogCaptureFixture) -> None:
    report = LoadHistory().rejected("a", None, ["one", "two"], time.monotonic())

    assert (report.outcome, report.old_hash, report.new_hash, report.problems) == (
        "rejected",
        "a",
        None,
        ("one", "two"),
    )
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    assert [record.getMessage() for record in caplog.records[1:]] == ["one", "two"]


def test_a_change_tells_what_was_kept_and_why_something_was_not(caplog: pytest.LogCaptureFixture) -> None:
    receipt = Receipt(swap_ms=1.5, kept={"plugins_kept": 3}, reasons=["the checks of u changed"])
    LoadHistory().reloaded("a", configuration("b"), time.monotonic(), receipt)

    told = [(record.getMessage(), str(vars(record))) for record in caplog.records]
    assert "plugins_kept" in told[0][1]
    assert "swap_ms" in told[0][1]
    assert "the checks of u changed" in told[1][0]
