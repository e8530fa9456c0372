"""Any value in any field of any schema: nothing raises, both validators agree, what is accepted exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.config.export import export
from dbless_gateway.config.load import Loaded
from dbless_gateway.config.schemas import load_schemas
from dbless_gateway.snapshot.compile import CompileOptions, compile_snapshot
from dbless_gateway.snapshot.dry_run import DryRunHost
from tests.compat.config.cases import load_text

REFERENCE = "{vault://env/x}"
# An entity of each kind that is right, to be spoilt in one field.
GOOD: dict[str, dict[str, Any]] = {
    "services": {"host": "h"},
    "routes": {"paths": ["/"]},
    "consumers": {"username": "a"},
    "consumer_groups": {"name": "g"},
    "upstreams": {"name": "u"},
    "certificates": {"cert": REFERENCE, "key": REFERENCE},
    "vaults": {"name": "env", "prefix": "ab"},
    "key_sets": {"name": "s"},
    "keys": {"kid": "a", "jwk": REFERENCE},
    "plugins": {"name": "cors"},
}
VALUES: list[Any] = [
    None, {}, [], 0, -1, 1.5, True, "", "x", "/a", REFERENCE, ["x"], [None], [{}], [[]], {"a": None},
    {"a": "b"}, {"a": ["b"]}, {"a": {}}, ["a:b"], 10**30, ["/a", "/a"], "http://h/",
    "7a267194-6123-5ee0-a1c9-4c1559eb0d95",
]  # fmt: skip


def _paths(properties: dict[str, Any], outer: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in properties.items():
        yield (*outer, name)
        yield from _paths(field.get("properties", {}), (*outer, name))


FIELDS = [
    (collection, path)
    for collection in GOOD
    for path in _paths(load_schemas().entity(collection).record.properties)
]


def _plugin_fields() -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in load_schemas().plugin_names():
        schema = load_schemas().plugin(name)
        assert schema is not None
        for path in _paths(schema.record.properties):
            yield name, path


def _with(record: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a record with one field changed."""
    record = deepcopy(record)
    inner = record
    for step in path[:-1]:
        inner = inner.setdefault(step, {})
    if isinstance(inner, dict):
        inner[path[-1]] = value
    return record


def _verdicts(loaded: Loaded) -> list[tuple[str, str, str]]:
    return [(problem.code, problem.path, problem.message) for problem in loaded.problems]


def _check(document: dict[str, Any]) -> None:
    text = json.dumps(document | {"_format_version": "3.0"})
    loaded = load_text(text, seed=b"")
    assert _verdicts(load_text(text, seed=b"", fast_validation=False)) == _verdicts(loaded)
    if loaded.sound is not None:
        compile_snapshot(loaded.sound, DryRunHost(), CompileOptions())
    if loaded.entities is not None:
        assert load_text(json.dumps(export(loaded.entities)), seed=b"").entities is not None


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FIELDS), st.sampled_from(VALUES))
def test_fields_of_entities(field: tuple[str, tuple[str, ...]], value: Any) -> None:
    collection, path = field
    _check({collection: [_with(GOOD[collection], path, value)]})


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(_plugin_fields())), st.sampled_from(VALUES))
def test_fields_of_plugins(field: tuple[str, tuple[str, ...]], value: Any) -> None:
    name, path = field
    _check({"plugins": [{"name": name, "config": _with({}, path, value)}]})
