"""The schemas: complete, consistent with the entity classes, understood by their readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dbless_gateway.config import entities as e
from dbless_gateway.config.checks import _CHECKS, _MATCHES
from dbless_gateway.config.formats import FORMATS
from dbless_gateway.config.load import Loaded
from dbless_gateway.config.messages import _WORDING
from dbless_gateway.config.schemas import Record, load_schemas, schemas_folder
from dbless_gateway.config.validate import Validator
from tests.compat.config.cases import accept, load_text

FILES = sorted(schemas_folder().rglob("*.json"))
CLASSES: dict[str, Any] = {
    "services": e.Service,
    "routes": e.Route,
    "consumers": e.Consumer,
    "consumer_groups": e.ConsumerGroup,
    "plugins": e.Plugin,
    "upstreams": e.Upstream,
    "targets": e.Target,
    "certificates": e.Certificate,
    "snis": e.Sni,
    "ca_certificates": e.CaCertificate,
    "vaults": e.Vault,
    "key_sets": e.KeySet,
    "keys": e.Key,
}
# Fields of the file that do not live on: shorthands, notes, and what becomes something else.
NOT_KEPT = {"url", "_comment", "_ignore", "_config", "ordering", "groups"}


def _name(path: Path) -> str:
    return str(path.relative_to(schemas_folder()))


def _records(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _records(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _records(value)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_schema_is_a_schema(path: Path) -> None:
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == _name(path)
    assert schema["description"]


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_field_is_described(path: Path) -> None:
    for record in _records(json.loads(path.read_text())):
        for name, field in record.get("properties", {}).items():
            if isinstance(field, dict) and "type" in field and record.get("type") == "object":
                assert field.get("description") or "x-kong-reference" in record or name in {"id", "name"}, (
                    name
                )


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_example_is_right(path: Path) -> None:
    for record in _records(json.loads(path.read_text())):
        for example in record.get("examples", ()):
            assert Validator(record).findings(example) == [], example


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_every_extension_is_understood(path: Path) -> None:
    for record in _records(json.loads(path.read_text())):
        if isinstance(record.get("format"), str):
            assert record["format"] in FORMATS
        for check in record.get("x-kong-checks", []):
            kind = next(iter(check))
            assert kind in _CHECKS
            for match in ("if_match", "then_match"):
                if isinstance(check[kind], dict) and match in check[kind]:
                    assert set(check[kind][match]) <= set(_MATCHES)


# Keywords that hold other schemas or say nothing about a value; every other one needs words for its mistakes.
SILENT = {
    "$schema",
    "$id",
    "title",
    "description",
    "examples",
    "default",
    "deprecated",
    "properties",
    "items",
    "propertyNames",
}
SILENT |= {"allOf", "if", "else"}


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "kong.json"], ids=_name)
def test_every_keyword_has_words(path: Path) -> None:
    def keywords(schema: object) -> Iterator[str]:
        if not isinstance(schema, dict):
            return
        for keyword, value in schema.items():
            yield keyword
            if keyword == "properties":
                for field in value.values():
                    yield from keywords(field)
            elif keyword in {"items", "propertyNames", "additionalProperties", "not", "else"}:
                yield from keywords(value)
            elif keyword == "allOf":
                for part in value:
                    yield from keywords(part)

    used = {keyword for keyword in keywords(json.loads(path.read_text())) if not keyword.startswith("x-kong")}
    assert used - SILENT - {"$ref"} <= set(_WORDING)


@pytest.mark.parametrize("collection", CLASSES)
def test_schema_and_class_have_the_same_fields(collection: str) -> None:
    record = load_schemas().entity(collection).record
    in_schema = set(record.properties) - set(record.children) - NOT_KEPT
    if collection == "consumer_groups":
        in_schema -= {"consumers"}
    assert in_schema == set(CLASSES[collection].__match_args__) - {"where"}


def test_health_checks_have_the_same_fields() -> None:
    schema = load_schemas().entity("upstreams").record.properties["healthchecks"]["properties"]
    assert set(schema) == set(e.Healthchecks.__match_args__)
    parts: list[tuple[str, Any, Any, Any]] = [
        ("active", e.ActiveChecks, e.ActiveHealthy, e.ActiveUnhealthy),
        ("passive", e.PassiveChecks, e.PassiveHealthy, e.PassiveUnhealthy),
    ]
    for part, kind, healthy, unhealthy in parts:
        fields = schema[part]["properties"]
        assert set(fields) == set(kind.__match_args__)
        assert set(fields["healthy"]["properties"]) == set(healthy.__match_args__)
        assert set(fields["unhealthy"]["properties"]) == set(unhealthy.__match_args__)


@pytest.mark.parametrize("name", load_schemas().plugin_names())
def test_defaults_of_plugins_fit_their_own_schema(name: str) -> None:
    schema = load_schemas().plugin(name)
    assert schema is not None
    filled = schema.record.fill({}, keep_null=True)
    # A required field without a default is null in an empty configuration, and nothing else may be wrong.
    for finding in Validator(schema.schema).findings(filled):
        assert finding.code == "schema/required", finding


@pytest.mark.parametrize("collection", load_schemas().collections)
def test_defaults_of_entities_fit_their_own_schema(collection: str) -> None:
    schema = load_schemas().entity(collection)
    for finding in Validator(schema.schema).findings(schema.record.fill({}, keep_null=False)):
        assert finding.code == "schema/required", finding


def test_unknown_plugins_have_no_schema() -> None:
    for name in ("nope", "../kong", "", "a/b", "."):
        assert load_schemas().plugin(name) is None


def test_filling_copies_defaults() -> None:
    record = Record({"properties": {"a": {"type": "array", "default": [1], "items": {}}}})
    one, two = record.fill({}, keep_null=True), record.fill({}, keep_null=True)
    one["a"].append(2)
    assert two["a"] == [1]


@pytest.mark.parametrize(("keep_null", "expected"), [(True, None), (False, 5)])
def test_null_and_default(keep_null: bool, expected: object) -> None:
    record = Record({"properties": {"a": {"type": ["integer", "null"], "default": 5}}})
    assert record.fill({"a": None}, keep_null=keep_null) == {"a": expected}


def test_sets_lose_their_duplicates_and_lists_keep_them() -> None:
    fields = {"type": "array", "items": {"type": "string"}}
    record = Record({"properties": {"set": fields | {"x-kong-set": True}, "list": fields}})
    filled = record.fill({"set": ["b", "a", "b"], "list": ["b", "a", "b"]}, keep_null=True)
    assert filled == {"set": ["b", "a"], "list": ["b", "a", "b"]}


def _exchangeable(properties: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the fields that hold a list or a mapping, each with the empty one of the other kind."""
    for name, field in properties.items():
        kinds = field.get("type", ())
        if "array" in kinds:
            yield name, {}
        elif "object" in kinds and "x-kong-reference" not in field:
            yield name, []


def _both(document: dict[str, Any]) -> tuple[Loaded, Loaded]:
    """Load a document, and the same with every empty list and mapping exchanged."""
    text = json.dumps(document | {"_format_version": "3.0"})
    exchanged = text.replace("[]", "EMPTY").replace("{}", "[]").replace("EMPTY", "{}")
    return load_text(text, seed=b""), load_text(exchanged, seed=b"")


@pytest.mark.parametrize("name", load_schemas().plugin_names())
def test_empty_lists_and_mappings_of_plugins_are_exchangeable(name: str) -> None:
    schema = load_schemas().plugin(name)
    assert schema is not None
    for field, empty in _exchangeable(schema.record.properties):
        one, two = _both({"plugins": [{"name": name, "config": {field: empty}}]})
        assert [(p.code, p.message) for p in one.problems] == [(p.code, p.message) for p in two.problems]
        assert (one.entities and one.entities.plugins) == (two.entities and two.entities.plugins)


@pytest.mark.parametrize("collection", CLASSES)
def test_empty_lists_and_mappings_of_entities_are_exchangeable(collection: str) -> None:
    for field, empty in _exchangeable(load_schemas().entity(collection).record.properties):
        one, two = _both({collection: [{field: empty}]})
        assert [(p.code, p.message) for p in one.problems] == [(p.code, p.message) for p in two.problems]


def test_an_empty_list_is_an_empty_map_of_headers() -> None:
    (route,) = accept("routes: [{paths: [/], headers: []}]").routes
    assert route.headers == {}
    (upstream,) = accept("upstreams: [{name: u, healthchecks: {active: {headers: []}}}]").upstreams
    assert upstream.healthchecks.active.headers == {}


def test_an_empty_mapping_is_no_reference() -> None:
    for empty in ("{}", "[]"):
        assert not load_text(f"routes: [{{paths: [/], service: {empty}}}]").entities


@pytest.mark.parametrize("name", ["a" * 300, "\u00e4" * 90, "../kong", "key-auth/", "\x00", ""])
def test_a_name_that_no_file_system_takes_is_no_plugin(name: str) -> None:
    assert load_schemas().plugin(name) is None


@pytest.mark.parametrize(
    ("config", "expected"), [("{}", {}), ("{anonymous_on: missing}", {"anonymous_on": "missing"})]
)
def test_fields_that_are_not_kongs_are_only_where_the_file_has_them(
    config: str, expected: dict[str, str]
) -> None:
    """Tools that know Kong's fields read a plugin's config."""
    (plugin,) = accept(f"plugins: [{{name: key-auth, config: {config}}}]").plugins

    assert {name: value for name, value in plugin.config.items() if name == "anonymous_on"} == expected
    assert plugin.config["anonymous"] is None
