"""The lateness of a loop: the greatest one is seen for one to two windows, and then no longer."""

from __future__ import annotations

from dbless_gateway.proxy.loop_lag import WINDOW_S, LoopLag
from tests.support.exchange_script import Stage


def test_the_greatest_is_kept() -> None:
    lag = LoopLag(0.0)
    for now, due in ((1.0, 1.0), (2.25, 2.0), (3.125, 3.0)):
        lag.note(now, due)
    assert lag.greatest_s == 0.25


def test_what_is_early_is_not_late() -> None:
    lag = LoopLag(0.0)
    lag.note(1.0, 1.5)
    assert lag.greatest_s == 0.0


def test_it_is_forgotten_after_the_second_window() -> None:
    lag = LoopLag(0.0)
    lag.note(1.5, 1.0)
    lag.note(WINDOW_S, WINDOW_S)
    assert lag.greatest_s == 0.5
    lag.note(2 * WINDOW_S, 2 * WINDOW_S)
    assert lag.greatest_s == 0.0


def test_the_sweep_of_a_worker_measures_it(stage: Stage) -> None:
    stage.pass_time(1.0)
    assert stage.gateway.report()["loop_lag_us"] < 1000
    # The clock goes on while no callback runs: that is what a stall looks like.
    stage.loop.now += 0.5
    stage.pass_time(0.0)
    assert 400_000 <= stage.gateway.report()["loop_lag_us"] <= 500_001
