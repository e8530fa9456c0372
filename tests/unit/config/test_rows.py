"""Completed fields in rows: the same answers as a dict, lists as tuples, common ones there once."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.config.rows import RowMaker, as_dict
from dbless_gateway.config.schemas import load_schemas

SCHEMA = load_schemas().entity("routes")


def _filled(**given: Any) -> dict[str, Any]:
    return SCHEMA.record.fill(given, keep_null=False)


def test_a_row_answers_as_the_dict_that_it_was_made_from() -> None:
    fields = _filled(name="r", paths=["/a"])
    row = RowMaker().row(SCHEMA, fields)
    expected = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}

    assert as_dict(row) == dict(row) == expected
    assert (row["name"], row.get("name"), row.get("none"), row.get("none", 1)) == ("r", "r", None, 1)
    assert len(row) == len(list(row)) == len(row.keys())
    assert "name" in row
    assert "none" not in row


def test_a_value_can_be_replaced_but_no_field_added_or_removed() -> None:
    row = RowMaker().row(SCHEMA, _filled(name="r"))
    row["service"] = "an id"

    assert row["service"] == "an id"
    with pytest.raises(KeyError):
        row["none"] = 1
    with pytest.raises(TypeError):
        del row["name"]


def test_what_many_entities_say_alike_is_there_once() -> None:
    maker = RowMaker()
    one, two = (maker.row(SCHEMA, _filled(name=name, methods=["GET"], tags=["x", "y"])) for name in "ab")

    assert one["methods"] is two["methods"]
    assert one["tags"] is two["tags"]


def test_what_is_no_field_of_the_schema_is_left_out() -> None:
    row = RowMaker().row(SCHEMA, {**_filled(name="r"), "_ignore": True})

    assert "_ignore" not in row


def test_a_dict_stays_what_it_is() -> None:
    assert as_dict({"a": 1}) == {"a": 1}
