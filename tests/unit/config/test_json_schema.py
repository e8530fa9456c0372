"""JSON Schema: each keyword takes and refuses what the standard says; others are refused themselves."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dbless_gateway.config.json_schema import CompiledSchema

HOST = {"if": {"required": ["url"]}, "else": {"required": ["host"]}}
BOUNDED = {"additionalProperties": False, "properties": {"a": {"type": "integer"}}}
MAP = {"propertyNames": {"maxLength": 1}, "additionalProperties": {"type": "null"}}

# schema, what fits, what does not with the path and the keyword of each mistake
CASES: list[tuple[dict[str, Any], list[Any], list[tuple[Any, list[tuple[tuple[object, ...], str]]]]]] = [
    ({"type": "integer"}, [0, 1.0, 10**400], [(True, [((), "type")]), (1.5, [((), "type")]), (None, [((), "type")])]),
    ({"type": "number"}, [0, 1.5, float("nan")], [(False, [((), "type")]), ("1", [((), "type")])]),
    ({"type": ["boolean", "null"]}, [True, None], [(1, [((), "type")])]),
    ({"type": "array"}, [[]], [({}, [((), "type")])]),
    ({"enum": [1, "a", None]}, [1.0, "a", None], [(True, [((), "enum")]), ("b", [((), "enum")])]),
    ({"const": True}, [True], [(1, [((), "const")])]),
    ({"minimum": 1, "maximum": 2}, [1, 2.0, "x", True], [(0, [((), "minimum")]), (3, [((), "maximum")])]),
    ({"exclusiveMinimum": 0}, [0.1, None], [(0, [((), "exclusiveMinimum")])]),
    ({"minLength": 1, "maxLength": 2}, ["é", "ab", []], [("", [((), "minLength")]), ("abc", [((), "maxLength")])]),
    ({"minItems": 1, "maxItems": 1}, [[1], ""], [([], [((), "minItems")]), ([1, 2], [((), "maxItems")])]),
    ({"minProperties": 1}, [{"a": 1}, []], [({}, [((), "minProperties")])]),
    ({"maxProperties": 1}, [{"a": 1}, []], [({"a": 1, "b": 1}, [((), "maxProperties")])]),
    ({"pattern": "^a+$"}, ["aa", 5], [("a\n", [((), "pattern")]), ("b", [((), "pattern")])]),
    ({"format": "kong-uuid"}, ["7a267194-6123-5ee0-a1c9-4c1559eb0d95", 5], [("x", [((), "format")])]),
    ({"required": ["a"]}, [{"a": None}, []], [({}, [((), "required")])]),
    ({"not": {"enum": ["a"]}}, ["b"], [("a", [((), "not")])]),
    ({"allOf": [{"minLength": 2}, {"pattern": "x"}]}, ["xx"], [("a", [((), "minLength"), ((), "pattern")])]),
    (HOST, [{"url": 1}, {"host": 1}, "x"], [({}, [((), "required")])]),
    (BOUNDED, [{"a": 1}, {}], [({"a": "x", "b": 1}, [((), "additionalProperties"), (("a",), "type")])]),
    (MAP, [{"a": None}], [({"ab": 1}, [(("ab",), "maxLength"), (("ab",), "type")])]),
    ({"items": {"minimum": 1}}, [[1], "x"], [([1, 0, -1], [((1,), "minimum"), ((2,), "minimum")])]),
    ({"properties": {"a": True}}, [{"a": object()}], []),
    ({"title": "t", "x-kong-any": 1}, [object()], []),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "fitting", "wrong"), CASES, ids=[next(iter(row[0])) for row in CASES])
def test_keywords(
    schema: dict[str, Any], fitting: list[Any], wrong: list[tuple[Any, list[tuple[tuple[object, ...], str]]]]
) -> None:
    compiled = CompiledSchema(schema)

    for value in fitting:
        assert (value, compiled.fits(value), list(compiled.mistakes(value))) == (value, True, [])
    for value, expected in wrong:
        assert not compiled.fits(value)
        assert [(mistake.path, mistake.keyword) for mistake in compiled.mistakes(value)] == expected


def test_a_mistake_knows_its_value_and_its_schema() -> None:
    inner = {"maxLength": 1}
    (mistake,) = CompiledSchema({"propertyNames": inner}).mistakes({"ab": 0})

    assert mistake.limit == 1
    assert mistake == (("ab",), "maxLength", "ab", inner, True)


@pytest.mark.parametrize("keyword", ["oneOf", "$ref", "uniqueItems", "then", "minimun"])
def test_a_keyword_that_nobody_implements_is_refused(keyword: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"the keyword {keyword} of JSON Schema")):
        CompiledSchema({"items": {keyword: []}})
