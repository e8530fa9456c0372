"""How much a worker takes, and how little it says when that is too much."""

from __future__ import annotations

import logging
import resource

import pytest

from dbless_gateway.proxy.overload import Overload, connection_limit, request_limit


@pytest.mark.parametrize(
    ("setting", "descriptors", "expected"), [(5, 100, 5), (0, 4096, 4096), (0, 10**6, 16384), (0, 100, 1024)]
)
def test_connections(setting: int, descriptors: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (descriptors, descriptors))
    assert connection_limit(setting) == expected


@pytest.mark.parametrize(("setting", "connections", "expected"), [(7, 100, 7), (0, 100, 50), (0, 1, 1)])
def test_requests(setting: int, connections: int, expected: int) -> None:
    assert request_limit(setting, connections) == expected


def test_a_spell_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    overload = Overload(logging.getLogger("test"))
    overload.refuse("clients", 3)
    overload.refuse("clients", 3)
    overload.sweep()
    overload.refuse("clients", 3)
    overload.sweep()
    assert [record.getMessage() for record in caplog.records] == [
        "overloaded: 3 clients, more are answered with 503"
    ]
    overload.sweep()
    overload.sweep()
    assert [record.getMessage() for record in caplog.records[1:]] == [
        "no longer overloaded: 3 were answered with 503"
    ]
    assert overload.refused_total == 3
