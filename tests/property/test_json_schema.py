"""Our own JSON Schema gives the verdicts of ``jsonschema``, and finds the same places, for every schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

from dbless_gateway.config.formats import FORMATS
from dbless_gateway.config.json_schema import CompiledSchema
from dbless_gateway.config.schemas import load_schemas, schemas_folder

Schema = dict[str, Any]

TEXTS = [
    "",
    "a",
    "x",
    "/",
    "//",
    "~/a",
    "/a",
    "http://h/",
    "env",
    "a\n",
    "on",
    "7a267194-6123-5ee0-a1c9-4c1559eb0d95",
]
SCALARS = [None, True, False, 0, 1, -1, 80, 1.0, 1.5, 65_536, 10**30, float("inf"), *TEXTS]


def _schemas() -> dict[str, Schema]:
    schemas = load_schemas()
    found = {name: schemas.entity(name).schema for name in schemas.collections}
    for name in schemas.plugin_names():
        plugin = schemas.plugin(name)
        assert plugin is not None
        found[f"plugin {name}"] = plugin.schema
    found["tests"] = json.loads((schemas_folder() / "tests.json").read_text())
    return found


SCHEMAS = _schemas()


def _reference(schema: Schema) -> Draft202012Validator:
    def verdict(check: Callable[[str], str | None]) -> Callable[[object], bool]:
        return lambda value: not isinstance(value, str) or check(value) is None

    checker = FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name)(verdict(check))
    strict = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    reference: Draft202012Validator = strict(schema, format_checker=checker)
    return reference


def _pattern(validator: object, pattern: str, value: object, schema: object) -> Iterator[ValidationError]:
    """Read ``$`` as JSON Schema does, which the library leaves to Python."""
    if isinstance(value, str) and not re.search(re.sub(r"(?<!\\)\$(?=$|\))", r"\\Z", pattern), value):
        yield ValidationError("pattern")


def _values_of(schema: Schema) -> st.SearchStrategy[Any]:
    """Return values that are near to what a schema asks for, so that most keywords have something to judge."""
    options: list[st.SearchStrategy[Any]] = [st.sampled_from(SCALARS)]
    if "enum" in schema:
        options.append(st.sampled_from(schema["enum"]))
    if "properties" in schema:
        inner = {name: _values_of(item) for name, item in schema["properties"].items()}
        options += [st.fixed_dictionaries({}, optional=inner | {"nonsense": st.none()})] * 6
    elif "object" in schema.get("type", ()):
        others = schema.get("additionalProperties", {})
        values = _values_of(others if isinstance(others, dict) else {})
        options += [
            st.dictionaries(st.sampled_from([*TEXTS, "Host", "content-type"]), values, max_size=3)
        ] * 2
    if "array" in schema.get("type", ()):
        options += [st.lists(_values_of(schema.get("items", {})), max_size=3)] * 2
    return st.one_of(options)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_verdicts_are_those_of_jsonschema(name: str) -> None:
    schema = SCHEMAS[name]
    reference, own = _reference(schema), CompiledSchema(schema)

    @given(_values_of(schema))
    def agree(value: Any) -> None:
        expected = {
            (tuple(error.absolute_path), str(error.validator))
            for error in reference.iter_errors(deepcopy(value))
        }
        found = {
            (mistake.path[:-1] if mistake.of_key else mistake.path, mistake.keyword)
            for mistake in own.mistakes(value)
        }
        assert found == expected
        assert own.fits(value) is not bool(expected)

    agree()


def test_the_schemas_are_json_schema() -> None:
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
