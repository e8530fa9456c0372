from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from dbless_gateway.admin import views
from dbless_gateway.admin.messages import AdminRequest
from dbless_gateway.runtime.report import NO_HASH, CertificateExpiry, ReloadReport
from tests.unit.admin.node_reports import WORKER, FixedCommands, node


def view(made: Any, commands: FixedCommands, **query: str) -> tuple[int, Any]:
    answer = asyncio.run(made(AdminRequest("GET", "/", query, {}), commands))
    return answer.status, json.loads(answer.body)


def test_status_has_kongs_shape_and_more() -> None:
    status, body = view(views.status, FixedCommands())
    assert status == 200
    assert body["memory"] == {
        "workers_lua_vms": [
            {"pid": 11, "http_allocated_gc": "25.00 MiB"},
            {"pid": 12, "http_allocated_gc": "25.00 MiB"},
        ],
        "lua_shared_dicts": {"cache": {"allocated_slabs": "0.00 MiB", "capacity": "1.00 MiB"}},
    }
    assert body["server"]["total_requests"] == 7
    assert body["configuration_hash"] == "abc"
    assert [worker["pid"] for worker in body["workers"]] == [11, 12]
    assert body["configuration"]["last_load"]["outcome"] == "started"
    assert body["certificates"] == {"total": 0, "first_to_expire": []}


def test_status_tells_which_certificates_expire_first() -> None:
    expiries = tuple(CertificateExpiry("certificate", f"c{n}", "a.test", 100.0 + n) for n in range(30))
    _, body = view(views.status, node(certificates=expiries))
    shown = body["certificates"]["first_to_expire"]
    assert (body["certificates"]["total"], len(shown)) == (30, 20)
    assert shown[0] == {"kind": "certificate", "name": "c0", "sni": "a.test", "expires_at": 100.0}


def test_status_keeps_kongs_names_of_the_server_and_tells_of_the_loop() -> None:
    late = replace(WORKER, counts={"loop_lag_us": 2500})
    _, body = view(views.status, node(workers=(late,)))
    assert body["workers"][0]["loop_lag_ms"] == 2.5
    assert set(body["server"]) == {
        *("connections_accepted", "connections_active", "connections_handled", "connections_reading"),
        *("connections_waiting", "connections_writing", "total_requests"),
    }


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"unit": "b"}, "4096 B"),
        ({"unit": "k"}, "4.00 KiB"),
        ({"unit": "K", "scale": "0"}, "4 KiB"),
        ({"unit": "g", "scale": "6"}, "0.000004 GiB"),
    ],
)
def test_memory_is_shown_in_the_unit_asked_for(query: dict[str, str], shown: str) -> None:
    _, body = view(views.status, FixedCommands(), **query)
    assert body["memory"]["lua_shared_dicts"]["cache"]["allocated_slabs"] == shown


@pytest.mark.parametrize("query", [{"unit": "x"}, {"scale": "x"}, {"scale": "-1"}, {"scale": "9"}])
def test_bad_units_are_refused(query: dict[str, str]) -> None:
    assert view(views.status, FixedCommands(), **query)[0] == 400


@pytest.mark.parametrize(
    ("commands", "status", "message"),
    [
        (node(), 200, "ready"),
        (node(draining=True), 503, "draining"),
        (
            node(configuration_since=None),
            503,
            "no configuration available (configuration hash is not initialized)",
        ),
        (
            node(configuration_hash=NO_HASH),
            503,
            "no configuration available (empty configuration present)",
        ),
        (
            node(workers=(replace(WORKER, state="starting"),)),
            503,
            "router builds not yet complete, router ready in 0 of 2 workers",
        ),
        (node(workers=(WORKER, replace(WORKER, state="gone"))), 200, "ready"),
        (node(workers=(replace(WORKER, state="behind"),)), 200, "ready"),
    ],
)
def test_ready(commands: FixedCommands, status: int, message: str) -> None:
    assert view(views.ready, commands) == (status, {"message": message})


def test_ready_tells_that_the_files_are_not_what_is_served() -> None:
    body = {"message": "ready", "configuration": "last-good"}
    assert view(views.ready, node(serves_last_good=True)) == (200, body)


def test_live() -> None:
    assert view(views.live, node(draining=True)) == (200, {"message": "live"})


def test_a_reload_answers_with_its_receipt() -> None:
    status, body = view(views.reload, FixedCommands())
    assert (status, body["outcome"], body["new_hash"]) == (200, "reloaded", "def")


def test_a_rejected_reload_tells_the_problems() -> None:
    receipt = ReloadReport("rejected", 2.0, "abc", None, 1.0, problems=("kong.yaml:1:1: no",))
    status, body = view(views.reload, FixedCommands(receipt=receipt))
    assert (status, body["problems"]) == (400, ["kong.yaml:1:1: no"])
