"""Validation: the same verdict with and without the fast validator, and Kong's leniences."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.config.drafts import Finding
from dbless_gateway.config.validate import Validator, is_vault_reference

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": ["string", "null"], "minLength": 1, "pattern": "^[a-z]+$"},
        "secret": {"type": "string", "minLength": 1, "pattern": "^x+$", "x-kong-referenceable": True},
        "list": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 5}},
        "record": {
            "type": "object",
            "properties": {"a": {"type": "boolean"}},
            "required": ["a"],
            "additionalProperties": False,
        },
        "map": {
            "type": "object",
            "propertyNames": {"type": "string", "format": "kong-header-name"},
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
        },
    },
    "additionalProperties": False,
}

CASES: list[tuple[dict[str, Any], list[tuple[tuple[object, ...], str]]]] = [
    ({}, []),
    ({"text": "a"}, []),
    ({"text": None}, []),
    ({"text": ""}, [(("text",), "length must be at least 1")]),
    ({"text": "A"}, [(("text",), "invalid value: A")]),
    ({"text": "a\n"}, [(("text",), "invalid value: a\n")]),
    ({"text": 1}, [(("text",), "expected a string")]),
    ({"txt": 1}, [(("txt",), "unknown field")]),
    ({"secret": "{vault://env/a}"}, []),
    ({"secret": "y"}, [(("secret",), "invalid value: ***")]),
    ({"secret": None}, [(("secret",), "required field missing")]),
    ({"list": {}}, []),
    ({"list": [1.0, 5]}, []),
    ({"list": [0, 6, None]}, [(("list", 0), "value should be between 1 and 5"), (("list", 1), "value should be between 1 and 5"), (("list", 2), "required field missing")]),  # noqa: E501
    ({"list": [float("nan")]}, [(("list", 0), "expected an integer")]),
    ({"list": [10**400]}, [(("list", 0), "value should be between 1 and 5")]),
    ({"record": []}, [(("record", "a"), "required field missing")]),
    ({"record": {}}, [(("record", "a"), "required field missing")]),
    ({"record": {"a": 1, "b": 2}}, [(("record", "b"), "unknown field"), (("record", "a"), "expected a boolean")]),
    ({"map": {"a b": 1}}, [(("map", "a b"), "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'")]),  # noqa: E501
    ({"map": {"a": 0}}, [(("map", "a"), "value must be greater than 0")]),
    ({"map": "x"}, [(("map",), "expected a map")]),
]  # fmt: skip


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(("value", "expected"), CASES)
def test_findings(value: dict[str, Any], expected: list[tuple[tuple[object, ...], str]], fast: bool) -> None:
    findings: list[Finding] = Validator(SCHEMA, fast=fast).findings(value)
    assert sorted(((f.path, f.message) for f in findings), key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize(
    ("value", "suggestion"),
    [
        ({"txt": "a"}, "did you mean `text`?"),
        ({"zzz": "a"}, None),
        ({"text": "A"}, "did you mean `a`?"),
        ({"text": "5"}, None),
        ({"text": 3.0}, "quote it: unquoted, YAML reads it as a boolean or a number"),
        ({"text": {"vault://env/a": None}}, 'quote it: "{vault://env/a}" unquoted is a YAML mapping'),
        ({"list": 5}, "put it in brackets to make it a list"),
        ({"record": {"a": "true"}}, "remove the quotes if it is quoted"),
    ],
)
def test_suggestions(value: dict[str, Any], suggestion: str | None) -> None:
    (finding,) = Validator(SCHEMA).findings(value)
    assert finding.suggestion == suggestion


@pytest.mark.parametrize(("value", "known"), [("{vault://env/a}", True), ("{vault://env/a", False), ("x", False), (5, False)])  # fmt: skip  # noqa: E501
def test_vault_references(value: object, known: bool) -> None:
    assert is_vault_reference(value) is known
