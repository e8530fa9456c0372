"""response-transformer, row by row of its page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import response_transformer
from tests.support.plugin_context import FakeContext, make_handler

JSON = ("Content-Type", "application/json")
ACTIONS = ("remove", "rename", "replace", "add", "append")


def make(changes: dict[str, Any]) -> Any:
    config: dict[str, Any] = {action: {"json": [], "json_types": [], "headers": []} for action in ACTIONS}
    for path, value in changes.items():
        action, _, part = path.partition(".")
        config[action][part] = value
    return make_handler(response_transformer, config)


def transform(
    changes: dict[str, Any],
    headers: list[tuple[str, str]],
    chunks: list[bytes],
    method: str = "GET",
) -> tuple[list[str], bytes]:
    handler = make(changes)
    ctx = FakeContext(method)
    ctx.respond(200, headers)
    handler.header_filter(ctx)
    sent = b""
    for chunk in [*chunks, b""]:
        replaced = handler.body_filter(ctx, chunk, chunk == b"")
        sent += chunk if replaced is None else replaced
    return [f"{name}: {value}" for name, value in ctx.response.headers.items()], sent


@pytest.mark.parametrize(
    ("changes", "headers", "expected"),
    [
        ({"remove.headers": ["x-a", "x-b:v"]}, [("X-A", "1"), ("X-B", "2")], []),
        ({"rename.headers": ["x-a:x-b"]}, [("X-A", "1"), ("X-A", "2"), ("X-B", "0")], ["x-b: 1", "x-b: 2"]),
        ({"rename.headers": ["x-a:X-A"]}, [("x-a", "1")], ["X-A: 1"]),
        ({"replace.headers": ["x-a:2", "x-b:2"]}, [("X-A", "1")], ["x-a: 2"]),
        ({"add.headers": ["x-a:2", "x-b:a:b"]}, [("X-A", "1")], ["X-A: 1", "x-b: a:b"]),
        ({"append.headers": ["x-a:2", "x-a:3"]}, [("X-A", "1")], ["X-A: 1", "x-a: 2", "x-a: 3"]),
        ({"remove.headers": ["x-a"], "add.headers": ["x-a:2"]}, [("X-A", "1")], []),
        ({"add.headers": ["x-a:é€"]}, [], ["x-a: \xc3\xa9\xe2\x82\xac"]),
        ({"add.headers": ["x-a:1"], "replace.headers": ["x-a:2"]}, [], ["x-a: 1"]),
        (
            {"add.headers": ["x-a:1"]},
            [("Content-Length", "5"), JSON],
            ["Content-Length: 5", "Content-Type: application/json", "x-a: 1"],
        ),
        ({"add.json": ["a:1"]}, [("Content-Length", "5"), JSON], ["Content-Type: application/json"]),
        ({"add.json": ["a:1"]}, [("Content-Length", "5")], ["Content-Length: 5"]),
    ],
)
def test_headers(changes: dict[str, Any], headers: list[tuple[str, str]], expected: list[str]) -> None:
    assert transform(changes, headers, [])[0] == expected


@pytest.mark.parametrize(
    ("changes", "body", "expected"),
    [
        ({"remove.json": ["a"]}, b'{"a":1,"b":[],"c":{}}', b'{"b":[],"c":{}}'),
        ({"rename.json": ["a:b", "x:y"]}, b'{"a":null,"b":2}', b'{"b":null}'),
        (
            {"replace.json": ["a:9", "f:9", "n:9", "x:9"]},
            b'{"a":1,"f":false,"n":null}',
            b'{"a":"9","f":false,"n":"9"}',
        ),
        ({"add.json": ["a:9", "f:9", "x:9"]}, b'{"a":1,"f":false}', b'{"a":1,"f":"9","x":"9"}'),
        (
            {"append.json": ["a:9", "l:9", "x:9", "n:9"]},
            b'{"a":"1","l":["1"],"n":1}',
            b'{"a":["1","9"],"l":["1","9"],"n":["9"],"x":["9"]}',
        ),
        (
            {
                "add.json": ["n:5", "f:5.5", "b:true", "c:yes", "bad:x", "s:5"],
                "add.json_types": ["number", "number", "boolean", "boolean", "number", "string"],
            },
            b"{}",
            b'{"n":5,"f":5.5,"b":true,"c":false,"s":"5"}',
        ),
        ({"add.json": ["inf:1e999"], "add.json_types": ["number"]}, b"{}", b"{}"),
        (
            {"add.json": ["a:1_000", "b:٣", "c: 7 "], "add.json_types": ["number"] * 3},
            b"{}",
            b'{"c":7}',
        ),
        ({"add.json": ["n:5", "s:5"], "add.json_types": ["number"]}, b"{}", b'{"n":5,"s":"5"}'),
        ({"add.json": ['q:"v1"', "e:", "u:/é"]}, b"{}", '{"q":"\\"v1\\"","e":"null","u":"/é"}'.encode()),
        ({"add.json": ["w:a\\b"]}, b"{}", b'{"w":"a\\\\\\\\b"}'),
        ({"add.json": ["a:1"]}, b"not json", b"not json"),
        ({"add.json": ["a:1"]}, b"[1]", b"[1]"),
        ({"add.json": ["a:1"]}, b"", b""),
    ],
)
def test_json(changes: dict[str, Any], body: bytes, expected: bytes) -> None:
    chunks = [body[:3], body[3:]] if len(body) > 3 else [body] if body else []

    sent = transform(changes, [JSON], chunks)[1]

    if expected[:1] == b"{":
        assert json.loads(sent) == json.loads(expected)
    else:
        assert sent == expected


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("application/problem+json", True),
        ("text/html, application/json", True),
        ("text/json", False),
        ("application/jsonp", False),
        ("", False),
    ],
)
def test_what_is_json(content_type: str, is_json: bool) -> None:
    _, sent = transform({"add.json": ["a:1"]}, [("Content-Type", content_type)], [b"{}"])

    assert (sent != b"{}") is is_json


def test_only_actions_on_json_change_the_length() -> None:
    assert not make({"add.headers": ["a:1"]}).changes_body
    assert make({"remove.json": ["a"]}).changes_body


def test_head_is_left_alone() -> None:
    headers, _ = transform({"add.json": ["a:1"]}, [JSON, ("Content-Length", "5")], [], method="HEAD")

    assert "Content-Length: 5" in headers


def test_a_body_over_the_limit_passes_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_transformer, "MAX_BODY_BYTES", 10)
    chunks = [b'{"a":1', b',"b":2', b',"c":3}']

    assert transform({"remove.json": ["a"]}, [JSON], chunks)[1] == b"".join(chunks)


def test_a_response_of_the_gateway_itself_is_no_trouble() -> None:
    handler = make({"add.json": ["a:1"]})

    assert handler.body_filter(FakeContext(), b"x", True) is None


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"add.headers": ["a"]}, "add.headers[0]", "invalid value: a"),
        ({"add.json": ["ok:1", "a"]}, "add.json[1]", "invalid value: a"),
        ({"rename.headers": ["a:b c"]}, "rename.headers[0]", "'b c' is not a valid header"),
    ],
)
def test_config_errors(changes: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(changes)

    assert (caught.value.field, caught.value.message) == (field, message)
