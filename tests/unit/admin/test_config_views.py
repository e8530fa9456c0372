from __future__ import annotations

import json
from typing import Any

import pytest

from dbless_gateway.admin.config_errors import document, flat_document, lua_dump
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import Source
from tests.unit.admin.node_reports import FixedCommands
from tests.unit.admin.served import TEXT, ask, catalog

FORM = "application/x-www-form-urlencoded"


def problems(text: str) -> list[Problem]:
    found = load([Source("config", text)], LoadOptions(environ={})).problems
    return [problem for problem in found if problem.severity == "error"]


def test_what_is_served_is_a_file_that_loads_to_the_same() -> None:
    served = catalog()
    answer = ask(FixedCommands(served=served), "GET", "/config")
    text = json.loads(answer.body or b"")["config"]
    again = catalog(text)
    for name in ("services", "routes", "consumers", "credentials", "plugins", "upstreams", "targets"):
        ids = [{item.id for item in getattr(one.entities, name)} for one in (served, again)]
        assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b'{"_format_version":"3.0"}', "application/json", '{"_format_version":"3.0"}'),
        (b'{"config":"x: 1"}', "application/json", "x: 1"),
        (b"config=x:+1", FORM, "x: 1"),
        (b"x: 1", "text/yaml", "x: 1"),
        (b"x: 1", "application/yaml", "x: 1"),
        (
            b'--b\r\nContent-Disposition: form-data; name="config"\r\n\r\nx: 1\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            "x: 1",
        ),
    ],
)
def test_a_text_is_found_in_every_kind_of_body(body: bytes, content_type: str, text: str) -> None:
    commands = FixedCommands(served=catalog())
    answer = ask(commands, "POST", "/config", body, content_type)
    assert (answer.status, commands.texts) == (201, [(text, False)])
    shown = json.loads(answer.body or b"")
    assert {service["name"] for service in shown["services"].values()} == {"users", "empty"}


@pytest.mark.parametrize("body", [b"", b"a=1", b"config="])
def test_nothing_is_expected_to_be_something(body: bytes) -> None:
    answer = ask(FixedCommands(), "POST", "/config", body, FORM)
    assert (answer.status, json.loads(answer.body or b"")) == (
        400,
        {"message": "expected a declarative configuration"},
    )


def test_a_known_text_is_not_loaded_again() -> None:
    commands = FixedCommands(served=catalog())
    digest = "9dd4e461268c8034f5c8564e155c67a6"  # of "x"
    commands.report = commands.report.__class__(
        **{name: getattr(commands.report, name) for name in commands.report.__match_args__}
        | {"configuration_hash": digest}
    )
    assert ask(commands, "POST", "/config?check_hash=1", b"x", "text/yaml").status == 304
    assert commands.texts == []
    assert ask(commands, "POST", "/config?persist=1", b"x", "text/yaml").status == 201
    assert commands.texts == [("x", True)]


def test_mistakes_are_a_tree_and_its_dump() -> None:
    text = '_format_version: "3.0"\nservices:\n- {name: a, host: h}\n- {name: b, port: 70000}\n'
    assert document(problems(text)) == {
        "code": 14,
        "name": "invalid declarative configuration",
        "message": "declarative config is invalid: {services={[2]={"
        'host="required field missing",port="value should be between 0 and 65535"}}}',
        "fields": {
            "services": [
                None,
                {"host": "required field missing", "port": "value should be between 0 and 65535"},
            ]
        },
    }


def test_syntax_and_uniqueness() -> None:
    assert "failed parsing" in document(problems("a: [b"))["fields"]["error"]
    twice = '_format_version: "3.0"\nconsumers: [{username: a}, {username: a}]\n'
    assert document(problems(twice))["fields"]["consumers"] == [
        None,
        "uniqueness violation: 'consumers' entity with username set to 'a' already declared",
    ]


EXAMPLE = {
    "_format_version": "3.0",
    "services": [
        {
            "name": "mis-matched",
            "host": "localhost",
            "protocol": "tcp",
            "path": "/path",
            "tags": ["t1"],
            "routes": [{"name": "nope.route", "protocols": ["tcp"], "tags": ["t2"]}],
        }
    ],
}


def test_mistakes_by_entity_are_those_of_the_example() -> None:
    text = json.dumps(EXAMPLE)
    body = flat_document(problems(text), text)
    route, service = body["flattened_errors"]
    assert body["fields"] == {}
    assert route["entity_type"] == "route"
    assert route["entity"] == {"name": "nope.route", "protocols": ["tcp"], "tags": ["t2"]}
    assert service == {
        "entity_type": "service",
        "entity_name": "mis-matched",
        "entity_tags": ["t1"],
        "entity": {
            "name": "mis-matched",
            "host": "localhost",
            "protocol": "tcp",
            "path": "/path",
            "tags": ["t1"],
        },
        "errors": [
            {"type": "field", "field": "path", "message": "value must be null"},
            {"type": "entity", "message": "failed conditional validation given value of field 'protocol'"},
        ],
    }


def test_problems_are_answered_with_400() -> None:
    commands = FixedCommands(problems=problems('_format_version: "3.0"\nservices: [{name: a}]\n'))
    answer = ask(commands, "POST", "/config?flatten_errors=yes", TEXT.encode(), "text/yaml")
    assert answer.status == 400
    assert "flattened_errors" in json.loads(answer.body or b"")


@pytest.mark.parametrize(
    ("value", "dump"),
    [({"a": "x"}, '{a="x"}'), ({"a-b": [None, "y"]}, '{["a-b"]={[2]="y"}}'), (["x"], '{"x"}')],
)
def test_dump(value: Any, dump: str) -> None:
    assert lua_dump(value) == dump
