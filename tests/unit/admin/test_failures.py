from __future__ import annotations

import json
from typing import Any

import pytest

from dbless_gateway.admin.failures import error_tree, lua_key, named, schema_violation


@pytest.mark.parametrize(
    ("mistakes", "tree"),
    [
        ([("a", "x")], {"a": "x"}),
        ([("a.b", "x"), ("a.c", "y")], {"a": {"b": "x", "c": "y"}}),
        ([("tags.2", "x")], {"tags": [None, "x"]}),
        ([("l.2.ip", "x")], {"l": [None, {"ip": "x"}]}),
        ([("", "x"), ("", "y")], {"@entity": ["x", "y"]}),
        ([("config", "whole"), ("config.a", "part")], {"config": "whole"}),
    ],
)
def test_tree(mistakes: list[tuple[str, str]], tree: dict[str, Any]) -> None:
    assert error_tree(mistakes) == tree


@pytest.mark.parametrize(
    ("mistakes", "message"),
    [
        ([("host", "required field missing")], "schema violation (host: required field missing)"),
        ([("b", "y"), ("a", "x"), ("", "e")], "3 schema violations (e; a: x; b: y)"),
    ],
)
def test_message(mistakes: list[tuple[str, str]], message: str) -> None:
    answer = schema_violation(mistakes).answer
    body = json.loads(answer.body or b"")
    assert (answer.status, body["code"], body["name"]) == (400, 2, "schema violation")
    assert body["message"] == message


def test_status_belongs_to_the_name() -> None:
    assert named("unique constraint violation", "x").answer.status == 409
    assert named("operation unsupported", "x").answer.status == 405


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": "x"}, '{name="x"}'),
        ({"b": None, "a": {"id": "1"}}, '{a={id="1"},b=null}'),
        ({"a": 'q"'}, '{a="q\\""}'),
        ({"a": True}, "{a=true}"),
    ],
)
def test_keys_look_like_kongs(fields: dict[str, Any], text: str) -> None:
    assert lua_key(fields) == text
