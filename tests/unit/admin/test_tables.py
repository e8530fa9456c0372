from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator

from dbless_gateway.admin.api import ADMIN_API
from tests.unit.admin.served import get

# What decK asks for in a dump, and what else it takes for an answer than 200.
DECK_DUMP = [
    ("/", ()),
    ("/services", ()),
    ("/routes", ()),
    ("/plugins", ()),
    ("/filter-chains", (400, 404)),
    ("/certificates", ()),
    ("/ca_certificates", (404,)),
    ("/snis", ()),
    ("/upstreams", ()),
    ("/upstreams/up/targets", ()),
    ("/vaults", (404,)),
    ("/keys", (404,)),
    ("/key-sets", (404,)),
    ("/partials", (404,)),
    ("/consumers", ()),
    ("/consumer_groups", (404,)),
    ("/key-auths", (404,)),
    ("/hmac-auths", (404,)),
    ("/jwts", (404,)),
    ("/basic-auths", (404,)),
    ("/oauth2", (404,)),
    ("/acls", (404,)),
    ("/mtls-auths", (404,)),
    ("/schemas/services", ()),
    ("/schemas/routes", ()),
    ("/schemas/upstreams", ()),
    ("/schemas/targets", ()),
    ("/schemas/plugins/cors", ()),
]


@pytest.mark.parametrize(("path", "tolerated"), DECK_DUMP)
def test_decks_questions_have_answers(path: str, tolerated: tuple[int, ...]) -> None:
    status, body = get(f"{path}?size=1000")
    assert status == 200 or status in tolerated
    if path == "/":
        assert re.fullmatch(r"\d+\.\d+\.\d+", body["version"])


def test_paths_are_told_and_unique() -> None:
    rows = [(endpoint.method, endpoint.path) for endpoint in ADMIN_API]
    assert len(set(rows)) == len(rows)
    paths = get("/endpoints")[1]["data"]
    assert set(paths) == {path for _, path in rows}
    assert "/services/{services}/routes/{routes}" in paths


def test_the_document_describes_every_endpoint() -> None:
    status, document = get("/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    for endpoint in ADMIN_API:
        operation = document["paths"][endpoint.path][endpoint.method.lower()]
        assert operation["summary"] == endpoint.description
        found = [parameter["in"] for parameter in operation["parameters"]]
        assert found.count("path") == endpoint.path.count("{")
        assert found.count("query") == (2 if endpoint.has_pages else 0)
        assert ("requestBody" in operation) == (endpoint.takes is not None)
    plugin = document["paths"]["/plugins"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert plugin["allOf"][1] == {"required": ["name"]}
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert "x-kong" not in json.dumps(document["components"])
