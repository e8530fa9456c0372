"""The interpreter of ``x-kong-checks``, on records made for it."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.config.checks import check_all, check_record, is_given, lookup, mentioned
from dbless_gateway.config.schemas import Record


def _conditional(if_match: dict[str, Any], then_match: dict[str, Any]) -> dict[str, Any]:
    rule = {"if_field": "a.x", "if_match": if_match, "then_field": "b", "then_match": then_match}
    return {"conditional": rule}


CASES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"at_least_one_of": ["a", "b"]}, {"a": 1}, True),
    ({"at_least_one_of": ["a", "b"]}, {"a": "", "b": []}, False),
    ({"only_one_of": ["a", "b"]}, {"a": 1}, True),
    ({"only_one_of": ["a", "b"]}, {"a": 1, "b": 2}, False),
    ({"only_one_of": ["a", "b"]}, {}, False),
    ({"mutually_exclusive": ["a", "b"]}, {}, True),
    ({"mutually_exclusive": ["a", "b"]}, {"a": 0, "b": 0}, False),
    ({"mutually_required": ["a", "b"]}, {}, True),
    ({"mutually_required": ["a", "b"]}, {"a": 1, "b": 2}, True),
    ({"mutually_required": ["a", "b"]}, {"a": 1, "b": None}, False),
    ({"distinct": ["a", "b"]}, {"a": 1, "b": 2}, True),
    ({"distinct": ["a", "b"]}, {"a": 1, "b": 1}, False),
    ({"distinct": ["a", "b"]}, {"a": None, "b": None}, True),
    (_conditional({"eq": 1}, {"required": True}), {"a": {"x": 1}, "b": 0}, True),
    (_conditional({"eq": 1}, {"required": True}), {"a": {"x": 1}, "b": None}, False),
    (_conditional({"eq": 1}, {"required": True}), {"a": {"x": 2}}, True),
    (_conditional({"eq": 1}, {"required": True}), {"a": {"x": True}}, True),
    (_conditional({"one_of": [1, 2]}, {"eq": None}), {"a": {"x": 2}, "b": 5}, False),
    (_conditional({"not_one_of": [1, 2]}, {"eq": None}), {"a": {"x": 2}, "b": 5}, True),
    (_conditional({"not_one_of": [1, 2]}, {"eq": None}), {"a": None, "b": 5}, False),
    (_conditional({"gt": 0}, {"contains": "exp"}), {"a": {"x": 1}, "b": ["nbf"]}, False),
    (_conditional({"gt": 0}, {"contains": "exp"}), {"a": {"x": 1}, "b": ["exp"]}, True),
    (_conditional({"gt": 0}, {"contains": "exp"}), {"a": {"x": 1}, "b": None}, True),
    (_conditional({"gt": 0}, {"contains": "exp"}), {"a": {"x": 0}, "b": []}, True),
    (_conditional({"eq": 1}, {"one_of": ["y"]}), {"a": {"x": 1}, "b": "n"}, False),
    # A reference to a vault may turn out to be anything.
    (_conditional({"eq": 1}, {"one_of": ["y"]}), {"a": {"x": 1}, "b": "{vault://env/b}"}, True),
]


@pytest.mark.parametrize(("check", "values", "good"), CASES)
def test_checks(check: dict[str, Any], values: dict[str, Any], good: bool) -> None:
    assert (check_all([check], values) == []) is good


def test_conditional_on_one_of_several() -> None:
    rule = {
        "if_field": "config.model.provider",
        "if_match": {"one_of": ["azure"]},
        "then_at_least_one_of": ["config.model.options.azure_instance"],
        "then_err": "must set %s for azure provider",
    }
    values = {"config": {"model": {"provider": "azure", "options": None}}}
    (finding,) = check_all([{"conditional_at_least_one_of": rule}], values)
    assert finding.message == "must set 'model.options.azure_instance' for azure provider"
    assert finding.path == ("config", "model", "options", "azure_instance")


def test_checks_of_inner_records_know_their_place() -> None:
    inner = {
        "type": "object",
        "properties": {"a": {}, "b": {}},
        "x-kong-checks": [{"mutually_required": ["a", "b"]}],
    }
    record = Record({"properties": {"one": inner, "many": {"type": "array", "items": inner}}})
    values = {"one": {"a": 1, "b": None}, "many": [{"a": 1, "b": 2}, {"a": None, "b": 2}]}
    assert [finding.path for finding in check_record(record, values)] == [("one", "a"), ("many", 1, "b")]


def test_checks_on_wrong_fields_are_left_out() -> None:
    record = Record({"properties": {}, "x-kong-checks": [{"at_least_one_of": ["a", "b"]}]})
    assert check_record(record, {})
    assert check_record(record, {}, wrong=frozenset({"b"})) == []


def test_a_check_mentions_its_fields_and_their_records() -> None:
    assert mentioned({"distinct": ["a.b.c", "d"]}) == {"a", "a.b", "a.b.c", "d"}


@pytest.mark.parametrize(("value", "given"), [(None, False), ("", False), ([], False), ({}, False), (0, True), (False, True)])  # fmt: skip  # noqa: E501
def test_given(value: object, given: bool) -> None:
    assert is_given(value) is given


@pytest.mark.parametrize(("name", "value"), [("a", {"b": 1}), ("a.b", 1), ("a.b.c", None), ("x.y", None)])
def test_lookup(name: str, value: object) -> None:
    assert lookup({"a": {"b": 1}}, name) == value
