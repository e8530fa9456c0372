from __future__ import annotations

from dbless_gateway.runtime.report import COUNTERS, GAUGES, merge_counts, retire


def test_counts_of_all_workers_are_added() -> None:
    live = [{"total_requests": 1, "connections_active": 2}, {"total_requests": 10, "connections_active": 3}]
    merged = merge_counts(live, {})
    assert (merged["total_requests"], merged["connections_active"]) == (11, 5)
    assert merged.keys() == {*COUNTERS, *GAUGES}


def test_counters_of_workers_that_have_gone_stay_and_gauges_go() -> None:
    retired = retire({}, {"total_requests": 5, "connections_active": 9})
    retired = retire(retired, {"total_requests": 2})
    merged = merge_counts([{"total_requests": 1}], retired)
    assert (merged["total_requests"], merged["connections_active"]) == (8, 0)


def test_nothing_yet_is_all_zero() -> None:
    assert set(merge_counts([], {}).values()) == {0}
