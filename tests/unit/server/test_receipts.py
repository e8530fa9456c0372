from __future__ import annotations

import asyncio

import pytest

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.load import load
from dbless_gateway.config.source import Source
from dbless_gateway.runtime.report import REASONS_MAX, LoadTotals, ReloadReport
from dbless_gateway.server.control import Activated
from dbless_gateway.server.receipts import Receipt, compare_plugins
from dbless_gateway.server.worker_pool import _note_swaps

HEAD = '_format_version: "3.0"\nplugins:\n'
TWO = HEAD + "- name: cors\n- name: request-termination\n  config: {status_code: 418}\n"


def entities(text: str) -> Entities:
    found = load([Source("kong.yaml", text)]).entities
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# a line more\n" + TWO, {"kept": 2, "changed": 0, "new": 0, "dropped": 0}),
        (TWO.replace("418", "503"), {"kept": 1, "changed": 1, "new": 0, "dropped": 0}),
        (HEAD + "- name: cors\n", {"kept": 1, "changed": 0, "new": 0, "dropped": 1}),
        (TWO + "- name: key-auth\n", {"kept": 2, "changed": 0, "new": 1, "dropped": 0}),
    ],
)
def test_plugins_are_told_apart_by_what_they_do(text: str, expected: dict[str, int]) -> None:
    assert asyncio.run(compare_plugins(entities(TWO), entities(text))) == expected


def test_a_receipt_names_so_many_reasons_and_no_more() -> None:
    receipt = Receipt()
    receipt.explain(["a"] * (REASONS_MAX - 1))
    receipt.explain(["b", "c"])
    assert receipt.reasons == ["a"] * (REASONS_MAX - 1) + ["b"]


def test_the_slowest_worker_counts_and_connections_add_up() -> None:
    receipt = Receipt()
    told = {"balancers_kept": 2, "idle_connections_kept": 3}
    _note_swaps(receipt, [Activated(1, 0.5, told), Activated(1, 2.5, told)])
    assert receipt.swap_ms == 2.5
    assert receipt.kept == {"balancers_kept": 2, "idle_connections_kept": 6}


def test_totals_count_what_came_of_each_attempt() -> None:
    totals = LoadTotals()
    for outcome, at in (("started", 1.0), ("rejected", 2.0), ("reloaded", 3.0), ("unchanged", 4.0)):
        totals = totals.after(ReloadReport(outcome, at, "a", "b", duration_ms=at * 10, swap_ms=at))
    assert totals == LoadTotals(3, 1, last_success_at=4.0, last_duration_ms=30.0, last_swap_ms=3.0)
    assert totals.metrics()["dbless_config_loads_rejected_total"] == 1
