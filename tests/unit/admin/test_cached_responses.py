"""``/proxy-cache`` shows and forgets what the plugin keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.admin.node_reports import FixedCommands
from tests.unit.admin.served import ask, catalog

KEPT: dict[str, Any] = {"status": 200, "body": "{}", "headers": {"x-a": "1"}, "version": 1}
INSTANCE = "6cb74b52-b8d3-4ee1-8d6c-5c5a38f0a4f8"
OTHER = "aa5e1ec6-1f39-4f6d-8e5d-25ac5a9f9b7f"
TEXT = f"""
_format_version: "3.0"
plugins:
  - {{name: proxy-cache, id: {INSTANCE}, config: {{strategy: memory}}}}
  - {{name: cors, id: {OTHER}}}
"""


@pytest.fixture
def commands() -> FixedCommands:
    return FixedCommands(served=catalog(TEXT), cached={"k1": KEPT, "k2": KEPT})


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/proxy-cache/k1", 200),
        ("/proxy-cache/k3", 404),
        (f"/proxy-cache/{INSTANCE}/caches/k1", 200),
        (f"/proxy-cache/{INSTANCE}/caches/k3", 404),
        (f"/proxy-cache/{OTHER}/caches/k1", 404),
        ("/proxy-cache/nobody/caches/k1", 404),
    ],
)
def test_one(commands: FixedCommands, path: str, status: int) -> None:
    shown = ask(commands, "GET", path)
    expected = KEPT if status == 200 else {"message": "Not found"}
    assert (shown.status, json.loads(shown.body or b"")) == (status, expected)

    assert ask(commands, "DELETE", path).status == (204 if status == 200 else 404)
    assert ("k1" in commands.cached) is (status != 200)
    assert ask(commands, "DELETE", path).status == 404


def test_all(commands: FixedCommands) -> None:
    answer = ask(commands, "DELETE", "/proxy-cache")

    assert (answer.status, answer.body, commands.cached) == (204, None, {})


def test_not_shown_to_clients_that_nothing_vouches_for(commands: FixedCommands) -> None:
    assert ask(commands, "GET", "/proxy-cache/k1", is_trusted=False).status == 403
