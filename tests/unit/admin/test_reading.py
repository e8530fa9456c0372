from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from dbless_gateway.admin.collections import COLLECTIONS, NESTINGS, TARGETS
from dbless_gateway.config.schemas import load_schemas
from tests.unit.admin.node_reports import FixedCommands
from tests.unit.admin.served import ask, catalog, get


def data(target: str) -> list[dict[str, Any]]:
    status, body = get(target)
    assert status == 200, body
    rows: list[dict[str, Any]] = body["data"]
    return rows


def names(target: str, field: str = "name") -> list[Any]:
    return sorted(row[field] for row in data(target))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/services", ["empty", "users"]),
        ("/routes", ["größe", "list"]),
        ("/services/users/routes", ["größe", "list"]),
        ("/services/empty/routes", []),
        ("/routes/gr%C3%B6%C3%9Fe/plugins", ["key-auth"]),
        ("/services/users/plugins", []),
        ("/plugins", ["cors", "key-auth"]),
        ("/upstreams", ["up"]),
        ("/certificates", []),
        ("/consumers/bob/plugins", []),
        ("/services?tags=a,b", ["users"]),
        ("/services?tags=a/c", ["users"]),
        ("/services?tags=a,c", []),
    ],
)
def test_collections(target: str, expected: list[str]) -> None:
    assert names(target) == expected


def test_consumers_and_their_credentials() -> None:
    assert names("/consumers", "username") == ["bob", "eve"]
    assert names("/consumers?custom_id=7", "username") == ["bob"]
    assert names("/consumers/bob/key-auth", "key") == ["bobs"]
    assert names("/key-auths", "key") == ["bobs"]
    assert names("/consumers/eve/key-auth", "key") == []
    assert get("/key-auths/bobs/consumer")[1]["username"] == "bob"
    assert get("/consumers/bob/acls/admins")[1]["group"] == "admins"
    assert get("/consumers/eve/acls/admins")[0] == 404


@pytest.mark.parametrize(
    "target",
    [
        "/services/none",
        "/services/none/routes",
        "/services/empty/routes/list",
        "/services/00000000-0000-0000-0000-000000000000",
        "/routes/list/service/x",
        "/upstreams/up/targets/10.0.0.9:80",
        "/targets",
        "/snis/x/certificate",
        "/services/users/client_certificate",
    ],
)
def test_what_is_not_there(target: str) -> None:
    assert get(target) == (404, {"message": "Not found"})


def test_references_are_objects_and_unset_fields_null() -> None:
    _, service = get("/services/users")
    _, route = get("/services/users/routes/list")
    assert route["service"] == {"id": service["id"]}
    assert (route["methods"], route["paths"]) == (None, ["/list"])
    assert (service["protocol"], service["host"], service["path"]) == ("https", "users.test", "/base")
    assert "where" not in route
    assert "expression" not in route
    assert get("/routes/list/service")[1] == service
    assert get(f"/services/{service['id'].upper()}")[1] == service


def test_a_plugin_shows_its_whole_configuration() -> None:
    (plugin,) = data("/routes/gr%C3%B6%C3%9Fe/plugins")
    assert plugin["config"]["key_names"] == ["apikey"]
    assert plugin["config"]["anonymous"] is None
    assert plugin["consumer"] is None
    assert "consumer_group" not in plugin


def test_targets_come_newest_first_and_are_found_by_address() -> None:
    assert [row["target"] for row in data("/upstreams/up/targets")] == [
        "10.0.0.3:8000",
        "10.0.0.2:80",
        "10.0.0.1:80",
    ]
    assert len(data("/upstreams/up/targets/all")) == 3
    _, target = get("/upstreams/up/targets/10.0.0.3")
    assert get(f"/upstreams/up/targets/{target['id']}")[1]["target"] == "10.0.0.3:8000"
    assert [row["target"] for row in data("/upstreams/up/targets?tags=a")] == ["10.0.0.3:8000"]


def follow(target: str) -> list[str]:
    """Return the ids on all pages."""
    found: list[str] = []
    while True:
        status, body = get(target)
        assert status == 200
        found += [row["id"] for row in body["data"]]
        if body["next"] is None:
            assert "offset" not in body
            return found
        path, _, query = body["next"].partition("?")
        target = f"{path}?{unquote(query)}"


@pytest.mark.parametrize("path", ["/routes", "/services/users/routes", "/upstreams/up/targets"])
def test_pages_together_are_everything_once(path: str) -> None:
    assert follow(f"{path}?size=1") == [row["id"] for row in data(path)]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (
            "size=0",
            {"code": 9, "name": "invalid size", "message": "size must be an integer between 1 and 1000"},
        ),
        (
            "size=1001",
            {"code": 9, "name": "invalid size", "message": "size must be an integer between 1 and 1000"},
        ),
        (
            "size=1.5",
            {"code": 9, "name": "invalid size", "message": "size must be an integer between 1 and 1000"},
        ),
        (
            "size=nan",
            {"code": 9, "name": "invalid size", "message": "size must be an integer between 1 and 1000"},
        ),
        ("size=x", {"code": 9, "name": "invalid size", "message": "size must be a number"}),
        (
            "offset=x",
            {
                "code": 7,
                "name": "invalid offset",
                "message": "'x' is not a valid offset: bad base64 encoding",
            },
        ),
        (
            "tags=a,b/c",
            {
                "code": 11,
                "name": "invalid options",
                "message": "invalid option (tags: invalid filter syntax)",
                "options": {"tags": "invalid filter syntax"},
            },
        ),
        (
            "tags=a,b,c,d,e,f",
            {
                "code": 11,
                "name": "invalid options",
                "message": "invalid option (tags: cannot query more than 5 tags)",
                "options": {"tags": "cannot query more than 5 tags"},
            },
        ),
        (
            "tags=",
            {
                "code": 11,
                "name": "invalid options",
                "message": "invalid option (tags: cannot be null)",
                "options": {"tags": "cannot be null"},
            },
        ),
    ],
)
def test_wrong_queries_have_kongs_words(query: str, error: dict[str, Any]) -> None:
    assert get(f"/services?{query}") == (400, error)


def test_tags_of_everything() -> None:
    rows = data("/tags")
    assert sorted((row["entity_name"], row["tag"]) for row in rows) == [
        ("routes", "a"),
        ("services", "a"),
        ("services", "b"),
        ("targets", "a"),
    ]
    assert {row["entity_name"] for row in data("/tags/b")} == {"services"}


def test_a_node_without_configuration_says_so() -> None:
    answer = ask(FixedCommands(), "GET", "/services")
    assert answer.status == 503


def test_the_table_names_every_child_of_the_schemas() -> None:
    """A nesting that the file knows and the API does not would be invisible to tools."""
    known = {(row.parent, row.child, row.field) for row in NESTINGS} | {("upstreams", "targets", "upstream")}
    # Not in Kong's open edition.
    left_out = {"consumer_groups", "mtls_auth_credentials"}
    for row in COLLECTIONS:
        for child, field in load_schemas().entity(row.name).record.children.values():
            assert child in left_out or (row.name, child, field) in known


def test_every_shown_entity_has_the_fields_of_its_schema() -> None:
    served = catalog()
    for row in COLLECTIONS:
        for item in served.items(row.name):
            shown = json.loads(ask(FixedCommands(served=served), "GET", f"{row.path}/{item.id}").body or b"")
            assert shown["id"] == item.id
    assert TARGETS.path == "/targets"
