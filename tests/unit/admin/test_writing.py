from __future__ import annotations

import json
from typing import Any

import pytest

from dbless_gateway.admin.changes import Change, Parent
from tests.unit.admin.node_reports import FixedCommands
from tests.unit.admin.served import ask, catalog

JSON = "application/json"
NO_ID = "00000000-0000-4000-8000-000000000000"


def send(method: str, target: str, value: Any = None, **commands: Any) -> tuple[int, Any]:
    body = json.dumps(value).encode() if value is not None else b""
    answer = ask(FixedCommands(served=catalog(), **commands), method, target, body, JSON)
    return answer.status, json.loads(answer.body or b"null")


@pytest.mark.parametrize(
    ("method", "target", "value", "text"),
    [
        ("POST", "/routes", {"paths": ["/x"]}, "cannot create 'routes' entities"),
        ("PUT", f"/routes/{NO_ID}", {"paths": ["/x"]}, "cannot create or update 'routes' entities"),
        ("PUT", "/services/x", {"host": "h"}, "cannot create or update 'services' entities by 'name'"),
        ("PATCH", "/services/users", {"host": "h"}, "cannot update 'services' entities by 'name'"),
        ("DELETE", "/services/users", None, "cannot remove 'services' entities by 'name'"),
        ("POST", "/upstreams/up/targets", {"target": "a:1"}, "cannot create 'targets' entities"),
        (
            "POST",
            "/consumers/bob/key-auth",
            {"key": "sekret"},
            "cannot create 'keyauth_credentials' entities",
        ),
    ],
)
def test_without_leave_a_write_is_refused_with_a_hint(
    method: str, target: str, value: Any, text: str
) -> None:
    status, body = send(method, target, value)
    assert (status, body["code"], body["name"]) == (405, 12, "operation unsupported")
    assert body["message"] == f"{text} when not using a database"
    assert "--admin-write" in body["hint"]
    assert "sekret" not in body["hint"]


@pytest.mark.parametrize(
    ("method", "target", "value", "expected"),
    [
        ("POST", "/services", {}, 400),
        ("PATCH", "/services/none", {"host": "h"}, 404),
        ("PATCH", f"/services/{NO_ID}", {"host": "h"}, 404),
        ("DELETE", "/services/none", None, 204),
        ("DELETE", "/services", None, 405),
        ("PATCH", "/services", {}, 405),
        ("POST", "/services/none/routes", {}, 404),
        ("DELETE", "/routes/list/service", None, 405),
    ],
)
def test_what_kong_looks_at_before_it_refuses(method: str, target: str, value: Any, expected: int) -> None:
    assert send(method, target, value)[0] == expected


def test_with_leave_a_write_is_made_and_answered_with_the_entity() -> None:
    served = catalog()
    users = served.find("services", "users")
    assert users is not None
    commands = FixedCommands(served=served, writes=True, entity_id=users.id)
    answer = ask(
        commands, "POST", "/services", b"name=n&host=h&tags[]=a", "application/x-www-form-urlencoded"
    )
    assert (answer.status, json.loads(answer.body or b"")["name"]) == (201, "users")
    (change,) = commands.changes
    assert (change.method, change.collection, change.key) == ("POST", "services", None)
    assert change.fields == {"name": "n", "host": "h", "tags": ["a"]}
    assert change.title() == "POST services host,name,tags"


def test_paths_become_parents() -> None:
    served = catalog()
    commands = FixedCommands(served=served, writes=True)
    ask(commands, "DELETE", "/consumers/bob/key-auth/bobs")
    ask(commands, "PATCH", "/routes/list/service", b"retries=1", "application/x-www-form-urlencoded")
    first, second = commands.changes
    assert (first.key, first.parent) == ("bobs", Parent("consumers", "bob", "consumer"))
    assert (second.collection, second.through) == ("services", Parent("routes", "list", "service"))


ID = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (Change("PATCH", "services", "users", {"retries": 1}), "PATCH services users retries"),
        (Change("DELETE", "keyauth_credentials", "TOP-SECRET"), "DELETE keyauth_credentials ***"),
        (Change("DELETE", "keyauth_credentials", ID), f"DELETE keyauth_credentials {ID}"),
        (
            Change("POST", "targets", None, {"target": "a"}, Parent("upstreams", "up", "upstream")),
            "POST targets of upstreams up target",
        ),
        (
            Change(
                "PATCH", "consumers", None, through=Parent("keyauth_credentials", "TOP-SECRET", "consumer")
            ),
            "PATCH consumers of keyauth_credentials ***",
        ),
    ],
)
def test_the_log_tells_a_write_without_secrets(change: Change, title: str) -> None:
    assert change.title() == title
