"""Writes over a small file: what the file says afterwards, or Kong's error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbless_gateway.admin.changes import Change, Parent
from dbless_gateway.admin.failures import Failure
from dbless_gateway.admin.planning import Planner
from dbless_gateway.config.edit_document import edit
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.positions import read_yaml
from dbless_gateway.config.source import Source

TEXT = """\
_format_version: "3.0"
services:
  - name: users
    url: https://users.test/base
    routes:
      - name: list
        paths: [/list]
        plugins:
          - name: key-auth
            config:
              hide_credentials: true
              key_names: [k]
  - name: spare
    host: spare.test
    port: 81
consumers:
  - username: bob
    keyauth_credentials: [{key: bobs}]
upstreams:
  - name: up
    targets:
      - target: 10.0.0.1:80
plugins:
  - name: cors
    service: spare
  - name: cors
"""
NO_ID = "00000000-0000-4000-8000-000000000000"


def loaded(text: str) -> Any:
    found = load([Source("kong.yaml", text)], LoadOptions(environ={}, seed=b"x" * 32))
    assert found.entities is not None, found.problems
    return found


def plan(text: str, change: Change) -> Any:
    found = loaded(text)
    return Planner.over(found.entities, found.documents, "traditional_compatible").plan(change)


def data(
    method: str,
    collection: str,
    at: str | None = None,
    text: str = TEXT,
    parent: Parent | None = None,
    **fields: Any,
) -> Any:
    """Make a write and return what the file says then; it must load."""
    made = plan(text, Change(method, collection, at, fields, parent))
    after = edit(text, made.steps, is_json=False)
    loaded(after)
    return read_yaml(after, "")[0].data


def test_a_new_entity_goes_to_the_end_of_its_list() -> None:
    after = data("POST", "services", name="new", host="h", tags=None)
    assert after["services"][-1] == {"name": "new", "host": "h"}
    assert data("POST", "certificates", cert="{vault://env/c}", key="{vault://env/k}")["certificates"]


def test_a_child_goes_into_its_parent() -> None:
    assert data("POST", "routes", paths=["/x"], service={"name": "spare"})["services"][1]["routes"][0][
        "paths"
    ] == ["/x"]
    up = Parent("upstreams", "up", "upstream")
    assert data("POST", "targets", parent=up, target="b:1")["upstreams"][0]["targets"][1] == {"target": "b:1"}
    bob = Parent("consumers", "bob", "consumer")
    after = data("POST", "keyauth_credentials", parent=bob, key="k2")
    assert after["consumers"][0]["keyauth_credentials"][1]["key"] == "k2"
    assert (
        data("POST", "plugins", name="acl", config={"allow": ["x"]}, route={"name": "list"})["services"][0][
            "routes"
        ][0]["plugins"][1]["name"]
        == "acl"
    )


def test_what_only_its_place_would_identify_is_given_an_id() -> None:
    bob = Parent("consumers", "bob", "consumer")
    credential = data("POST", "keyauth_credentials", parent=bob, key="k2")["consumers"][0][
        "keyauth_credentials"
    ][1]
    assert len(credential["id"]) == 36
    assert "id" not in data("POST", "services", name="n", host="h")["services"][-1]


def test_a_plugin_of_two_stays_at_the_top_with_names() -> None:
    after = data(
        "POST",
        "plugins",
        name="rate-limiting",
        config={"minute": 1},
        service={"name": "users"},
        consumer={"name": "bob"},
    )
    assert after["plugins"][-1] == {
        "name": "rate-limiting",
        "config": {"minute": 1},
        "service": "users",
        "consumer": "bob",
    }


def test_a_patch_changes_what_it_names() -> None:
    after = data("PATCH", "services", "spare", port=82)
    assert after["services"][1] == {"name": "spare", "host": "spare.test", "port": 82}
    assert "port" not in data("PATCH", "services", "spare", port=None)["services"][1]


def test_a_patch_of_one_part_takes_a_url_apart() -> None:
    service = data("PATCH", "services", "users", host="other")["services"][0]
    del service["routes"]
    assert service == {"name": "users", "protocol": "https", "host": "other", "port": 443, "path": "/base"}
    spare = data("PATCH", "services", "spare", url="http://x.test")["services"][1]
    assert spare == {"name": "spare", "url": "http://x.test"}


def plugin_id(text: str = TEXT) -> str:
    return str(next(p.id for p in loaded(text).entities.plugins if p.name == "key-auth"))


def test_records_are_merged_lists_replaced() -> None:
    after = data("PATCH", "plugins", plugin_id(), config={"key_names": ["a", "b"], "key_in_body": True})
    assert after["services"][0]["routes"][0]["plugins"][0]["config"] == {
        "hide_credentials": True,
        "key_names": ["a", "b"],
        "key_in_body": True,
    }


def test_a_put_replaces_everything_but_the_children() -> None:
    after = data("PUT", "services", "users", host="h", retries=5, connect_timeout=1)
    routes = after["services"][0].pop("routes")
    assert after["services"][0] == {"name": "users", "host": "h", "connect_timeout": 1}
    assert len(routes) == 1
    config = data(
        "PUT", "plugins", plugin_id(), name="key-auth", config={"key_names": ["z"]}, route={"name": "list"}
    )
    assert config["services"][0]["routes"][0]["plugins"] == [
        {"name": "key-auth", "config": {"key_names": ["z"]}}
    ]


def test_a_put_makes_what_is_not_there() -> None:
    assert data("PUT", "services", "new", host="h")["services"][-1] == {"host": "h", "name": "new"}
    assert data("PUT", "services", NO_ID, host="h")["services"][-1] == {"host": "h", "id": NO_ID}


def test_an_id_stays_when_the_name_changes() -> None:
    text = TEXT.replace("  - name: cors\n    service: spare\n", "")
    before = next(s.id for s in loaded(text).entities.services if s.name == "spare")
    assert data("PATCH", "services", "spare", text, name="renamed")["services"][1]["id"] == before


def test_a_child_moves_to_another_parent() -> None:
    before = next(r.id for r in loaded(TEXT).entities.routes)
    after = data("PATCH", "routes", "list", service={"name": "spare"})
    assert "routes" not in after["services"][0]
    (route,) = after["services"][1]["routes"]
    assert (route["id"], route["name"], len(route["plugins"])) == (before, "list", 1)


def test_what_belongs_to_an_entity_goes_with_it() -> None:
    after = data("DELETE", "services", "spare")
    assert [service["name"] for service in after["services"]] == ["users"]
    assert after["plugins"] == [{"name": "cors"}]
    assert "upstreams" not in data("DELETE", "upstreams", "up")
    assert data("DELETE", "services", "none") == read_yaml(TEXT, "")[0].data


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (Change("POST", "services", None, {"name": "x"}), 400, 2),
        (Change("POST", "services", None, {"name": "users", "host": "h"}), 409, 5),
        (Change("POST", "plugins", None, {"name": "cors"}), 409, 5),
        (Change("POST", "routes", None, {"paths": ["/x"], "service": {"name": "no"}}), 400, 13),
        (Change("POST", "routes", None, {"paths": ["/x"], "service": {"id": NO_ID}}), 400, 4),
        (Change("PATCH", "services", "no", {"port": 1}), 404, 6),
        (Change("PATCH", "services", "users", {"port": "x"}), 400, 2),
        (Change("PATCH", "services", "users", {"name": "spare"}), 409, 5),
        (Change("PATCH", "plugins", NO_ID, {"enabled": False}), 404, None),
        (Change("DELETE", "services", "users"), 400, 4),
        (Change("POST", "routes", None, {}, Parent("services", "no", "service")), 404, None),
        (
            Change("POST", "targets", None, {"target": "10.0.0.1:80"}, Parent("upstreams", "up", "upstream")),
            409,
            5,
        ),
    ],
)
def test_errors_are_kongs(change: Change, status: int, code: int | None) -> None:
    with pytest.raises(Failure) as failure:
        plan(TEXT, change)
    answer = failure.value.answer
    assert (answer.status, json.loads(answer.body or b"{}").get("code")) == (status, code)


def test_the_value_of_a_variable_is_never_written_down() -> None:
    text = TEXT.replace("[/list]", "['${{ env \"DECK_PATH_X\" }}']")
    options = LoadOptions(environ={"DECK_PATH_X": "/secret"})
    found = load([Source("kong.yaml", text)], options)
    assert found.entities is not None
    planner = Planner.over(found.entities, found.documents, "traditional_compatible")
    with pytest.raises(Failure) as failure:
        planner.plan(Change("PATCH", "routes", "list", {"service": {"name": "spare"}}))
    assert failure.value.answer.status == 409
    made = planner.plan(Change("PATCH", "routes", "list", {"strip_path": False}))
    after = edit(text, made.steps, is_json=False)
    assert "DECK_PATH_X" in after
    assert "/secret" not in after
