from __future__ import annotations

import json
from typing import Any

import pytest

from dbless_gateway.config.schemas import load_schemas
from tests.unit.admin.node_reports import FixedCommands
from tests.unit.admin.served import ask, get

JSON = "application/json"


def post(target: str, value: Any) -> tuple[int, Any]:
    answer = ask(FixedCommands(), "POST", target, json.dumps(value).encode(), JSON)
    return answer.status, json.loads(answer.body or b"null")


def fields(target: str) -> dict[str, Any]:
    status, body = get(target)
    assert status == 200
    return {name: field for item in body["fields"] for name, field in item.items()}


def test_entity_fields_say_what_kongs_say() -> None:
    found = fields("/schemas/services")
    assert found["id"].items() >= {"type": "string", "uuid": True, "auto": True}.items()
    assert found["retries"].items() >= {"type": "integer", "default": 5, "between": [0, 32767]}.items()
    assert found["host"].items() >= {"type": "string", "required": True}.items()
    assert found["tags"]["type"] == "set"
    assert found["client_certificate"].items() >= {"type": "foreign", "reference": "certificates"}.items()
    assert found["created_at"].items() >= {"type": "integer", "timestamp": True, "auto": True}.items()
    assert "url" not in found
    assert "routes" not in found


def test_plugin_fields_tell_scopes_and_config() -> None:
    found = fields("/schemas/plugins/key-auth")
    assert found["consumer"]["eq"] is None
    assert "eq" not in found["route"]
    config = {name: field for item in found["config"]["fields"] for name, field in item.items()}
    assert config["key_names"]["type"] == "array"
    assert config["key_names"]["default"] == ["apikey"]


def test_nested_records_are_records() -> None:
    found = fields("/schemas/upstreams")["healthchecks"]
    assert found["type"] == "record"
    assert [next(iter(item)) for item in found["fields"]]


@pytest.mark.parametrize("name", load_schemas().plugin_names())
def test_every_plugin_schema_can_be_shown(name: str) -> None:
    assert set(fields(f"/schemas/plugins/{name}")) == {"protocols", "consumer", "service", "route", "config"}
    assert get(f"/plugins/schema/{name}")[0] == 200


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/schemas/x", "No entity named 'x'"),
        ("/schemas/plugins/x", "No plugin named 'x'"),
        ("/plugins/schema/x", "No plugin named 'x'"),
        ("/schemas/vaults/x", "No vault named 'x'"),
    ],
)
def test_unknown_schemas(target: str, message: str) -> None:
    assert get(target) == (404, {"message": message})


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("/schemas/services/validate", {"host": "h", "id": "3f8bd0b1-7a41-4f63-90b6-f1a5f6c01b33"}),
        ("/schemas/plugins/validate", {"name": "key-auth"}),
        (
            "/schemas/routes/validate",
            {"paths": ["/a"], "service": {"id": "3f8bd0b1-7a41-4f63-90b6-f1a5f6c01b33"}},
        ),
    ],
)
def test_valid_entities(target: str, value: Any) -> None:
    assert post(target, value) == (200, {"message": "schema validation successful"})


@pytest.mark.parametrize(
    ("target", "value", "wrong"),
    [
        ("/schemas/services/validate", {}, {"host": "required field missing"}),
        ("/schemas/services/validate", {"host": "h", "x": 1}, {"x": "unknown field"}),
        (
            "/schemas/services/validate",
            {"host": "h", "tags": ["a", 1]},
            {"tags": [None, "expected a string"]},
        ),
        (
            "/schemas/services/validate",
            {"host": "h", "port": 70000},
            {"port": "value should be between 0 and 65535"},
        ),
        (
            "/schemas/plugins/validate",
            {"name": "rate-limiting", "config": {"minute": "x"}},
            {"config": {"minute": "expected a number"}},
        ),
        ("/schemas/plugins/validate", {}, {"name": "required field missing"}),
        ("/schemas/targets/validate", {"target": "a:1"}, {"upstream": "required field missing"}),
    ],
)
def test_mistakes_are_told_as_a_tree(target: str, value: Any, wrong: Any) -> None:
    status, body = post(target, value)
    assert (status, body["code"], body["fields"]) == (400, 2, wrong)
    assert body["message"].startswith("schema violation (")


def test_an_entity_and_a_field_may_be_wrong_at_once() -> None:
    status, body = post("/schemas/services/validate", {"host": "h", "protocol": "tcp", "path": "/x"})
    assert status == 400
    text = "failed conditional validation given value of field 'protocol'"
    assert body["fields"] == {"@entity": [text], "path": "value must be null"}
    assert body["message"] == f"2 schema violations ({text}; path: value must be null)"
