"""request-transformer, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import request_transformer
from tests.support.plugin_context import FakeCaptures, FakeContext, make_handler

JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=x")
PART = b'Content-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
ACTIONS = ("remove", "rename", "replace", "add", "append")


def _config(changes: dict[str, Any]) -> dict[str, Any]:
    """Return a whole configuration from ``{"add.headers": [...], "http_method": ...}``."""
    config: dict[str, Any] = {action: {"body": [], "headers": [], "querystring": []} for action in ACTIONS}
    for path, value in changes.items():
        action, dot, part = path.partition(".")
        if dot:
            config[action][part] = value
        else:
            config[action] = value
    return config


def run(changes: dict[str, Any], ctx: FakeContext) -> int:
    reply = make_handler(request_transformer, _config(changes)).access(ctx)
    return reply.status if reply else 0


@pytest.mark.parametrize(
    ("changes", "headers", "expected"),
    [
        ({"remove.headers": ["x-a", "x-b:ignored"]}, [("X-A", "1"), ("X-B", "2"), ("X-C", "3")], ["X-C: 3"]),
        ({"rename.headers": ["x-a:x-b"]}, [("X-A", "1"), ("x-a", "2"), ("X-B", "0")], ["x-b: 1", "x-b: 2"]),
        ({"rename.headers": ["x-a:x-b"]}, [("X-B", "0")], ["X-B: 0"]),
        ({"rename.headers": ["x-a:X-A"]}, [("x-a", "1")], ["X-A: 1"]),
        ({"rename.headers": ["x-a:x-a"]}, [("x-a", "1")], ["x-a: 1"]),
        ({"replace.headers": ["x-a:2", "x-b:2"]}, [("X-A", "1")], ["x-a: 2"]),
        ({"add.headers": ["x-a:2", "X-B:a:b"]}, [("X-A", "1")], ["X-A: 1", "X-B: a:b"]),
        ({"add.headers": ["x-a:"]}, [], []),
        ({"append.headers": ["h1:v1", "h1:v2"]}, [("H1", "v0")], ["H1: v0", "h1: v1", "h1: v2"]),
        ({"remove.headers": ["x-a"], "add.headers": ["x-a:2"]}, [("X-A", "1")], ["x-a: 2"]),
        ({"add.headers": ["host:other"], "append.headers": ["Host:other"]}, [], []),
        ({"add.headers": ["x-b:$(headers.x_a)"], "remove.headers": ["x-a"]}, [("X-A", "1")], ["x-b: 1"]),
        ({"add.headers": ["x-a:# $('#')"]}, [], ["x-a: # #"]),
        (
            {"add.headers": ["x-b:é$(headers.x_a)$(uri_captures.raw)"]},
            [("X-A", "\xc3\xa9\xff")],
            ["X-A: \xc3\xa9\xff", "x-b: \xc3\xa9\xc3\xa9\xff\xfe"],
        ),
        ({"replace.headers": ["Host:$(headers.none)", "x-a:$(headers.none)"]}, [("X-A", "1")], ["X-A: 1"]),
    ],
)
def test_headers(changes: dict[str, Any], headers: list[tuple[str, str]], expected: list[str]) -> None:
    ctx = FakeContext(headers=headers)
    ctx.captures = FakeCaptures(("/",), {"raw": "\udcfe"})

    assert run(changes, ctx) == 0
    assert [f"{name}: {value}" for name, value in ctx.upstream.headers.items()] == expected
    assert ctx.upstream.host is None


def test_the_host_can_only_be_replaced() -> None:
    ctx = FakeContext(headers=[("Host", "gateway.test")])
    run({"replace.headers": ["Host:other.test"]}, ctx)

    assert ctx.upstream.host == "other.test"


@pytest.mark.parametrize(
    ("changes", "query", "expected"),
    [
        ({}, "b=$&,+/:;?@&a", "b=$&,+/:;?@&a"),
        ({"remove.querystring": ["a"]}, "b=1&a=1&a=2", "b=1"),
        ({"remove.querystring": ["a"]}, "a=1", None),
        ({"rename.querystring": ["a:b"]}, "b=0&a=1&a=2", "b=1&b=2"),
        ({"rename.querystring": ["x:b"]}, "b=0", "b=0"),
        ({"replace.querystring": ["a:9", "x:9"]}, "a=1&a=2", "a=9"),
        ({"add.querystring": ["a:9", "x:9"]}, "a=1", "a=1&x=9"),
        ({"add.querystring": ["a:9"]}, None, "a=9"),
        ({"append.querystring": ["a:9"]}, "z&a=1", "a=1&a=9&z"),
        ({"add.querystring": ["z:1"]}, "p[i][1]=a b", "p%5Bi%5D%5B1%5D=a%20b&z=1"),
        ({"add.querystring": ["n:$(query_params.a)"]}, "a=1", "a=1&n=1"),
        ({"add.querystring": ["z:$(query_params.a)"]}, "a=%FF\xe9", "a=%FF%E9&z=%FF%E9"),
        ({"add.querystring": ["z:1"]}, "a=%FF&b=\xc3\xa9", "a=%FF&b=%C3%A9&z=1"),
    ],
)
def test_query(changes: dict[str, Any], query: str | None, expected: str | None) -> None:
    ctx = FakeContext(target="/" if query is None else f"/?{query}")

    assert run(changes, ctx) == 0
    assert ctx.upstream.query == expected


@pytest.mark.parametrize(
    ("changes", "content", "body", "expected"),
    [
        ({"remove.body": ["a"]}, JSON, b'{"a":1,"b":[]}', b'{"b":[]}'),
        ({"remove.body": ["a"]}, JSON, b"{}", b"{}"),
        ({"rename.body": ["a:b"]}, JSON, b'{"a":1,"b":2}', b'{"b":1}'),
        ({"rename.body": ["x:b"]}, JSON, b'{"b":2}', b'{"b":2}'),
        (
            {"replace.body": ["a:9", "n:9", "f:9", "x:9"]},
            JSON,
            b'{"a":1,"n":null,"f":false}',
            b'{"a":"9","n":"9","f":false}',
        ),
        ({"add.body": ["a:9", "f:9"]}, JSON, b'{"a":1,"f":false}', b'{"a":1,"f":"9"}'),
        (
            {"append.body": ["a:9", "b:9", "n:9"]},
            JSON,
            b'{"a":"1","b":["1"],"n":1}',
            b'{"a":["1","9"],"b":["1","9"],"n":["9"]}',
        ),
        ({"add.body": ["a:9"]}, JSON, b"{malformed", None),
        ({"add.body": ["a:9"]}, ("Content-Type", "text/plain"), b"x", None),
        ({"add.body": ["a:9"]}, JSON, b"", b'{"a":"9"}'),
        ({"append.body": ["a:9"]}, FORM, b"", b"a=9"),
        ({"remove.body": ["a"]}, FORM, b"", None),
        ({"add.body": ["c:$(headers.x)"], "remove.body": ["a"]}, FORM, b"a=1&b=2", b"b=2&c=X"),
        ({"replace.body": ["a:9"], "append.body": ["b:3"]}, FORM, b"a=1&b=2", b"a=9&b=2&b=3"),
        (
            {"add.body": ["a:9"], "add.headers": ["Content-Type:application/json"]},
            ("X", "X"),
            b"",
            b'{"a":"9"}',
        ),
        (
            {"add.body": ["a:9"]},
            ("Content-Type", "text/html, Application/JSON-patch+json"),
            b'{"b":1}',
            b'{"b":1,"a":"9"}',
        ),
        ({"add.body": ["c:3"]}, FORM, b"a=\xff&b=%FE", b"a=%FF&b=%FE&c=3"),
        (
            {"rename.body": ["a:b"], "remove.body": ["b"], "add.body": ["c:3"], "append.body": ["d:4"]},
            MULTIPART,
            b"--x\r\n" + PART % (b"a", b"1") + b"--x\r\n" + PART % (b"e", b"5") + b"--x--\r\n",
            b"--x\r\n" + PART % (b"e", b"5") + b"--x\r\n" + PART % (b"c", b"3") + b"--x--\r\n",
        ),
        ({"append.body": ["d:4"]}, MULTIPART, b"--x\r\n" + PART % (b"a", b"1") + b"--x--\r\n", None),
        (
            {"replace.body": ["a:9"]},
            MULTIPART,
            b"--x\r\n" + PART.replace(b"\r\n", b'; filename="f"\r\n', 1) % (b"a", b"1") + b"--x--\r\n",
            b"--x\r\n" + PART % (b"a", b"9") + b"--x--\r\n",
        ),
        ({"add.body": ["c:3"]}, MULTIPART, b"", b"--x\r\n" + PART % (b"c", b"3") + b"--x--\r\n"),
    ],
)
def test_body(changes: dict[str, Any], content: tuple[str, str], body: bytes, expected: bytes | None) -> None:
    ctx = FakeContext("POST", "/", [content, ("X", "X")], body)

    assert run(changes, ctx) == 0
    assert ctx.upstream.body == expected


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"remove.headers": ["x-a"]}, ""),
        ({"rename.headers": ["x-a:x-b"]}, ""),
        ({"remove.headers": ["x-a"], "add.headers": ["x-a:2"]}, "2"),
        ({"remove.headers": ["x-a"], "add.headers": ["x-b:$(headers.x_a)"]}, "1"),
    ],
)
def test_what_templates_of_the_query_see_of_changed_headers(changes: dict[str, Any], seen: str) -> None:
    """The headers are loaded when a template first needs them: before they change, or after it."""
    ctx = FakeContext(target="/", headers=[("X-A", "1")])
    run(changes | {"add.querystring": ["seen:$(headers['X-A'])"]}, ctx)

    assert ctx.upstream.query == f"seen={seen}"


def test_a_body_over_the_buffer_is_left_alone() -> None:
    ctx = FakeContext("POST", "/", [JSON])
    ctx.request_body = None

    assert run({"add.body": ["a:1"]}, ctx) == 0
    assert ctx.upstream.body is None


def test_the_body_is_buffered_only_when_it_is_changed() -> None:
    def buffers(changes: dict[str, Any]) -> bool:
        return bool(make_handler(request_transformer, _config(changes)).needs_request_body)

    assert [
        buffers(c) for c in ({"add.headers": ["a:1"]}, {"add.body": ["a:1"]}, {"http_method": "GET"})
    ] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/fixed", "/fixed"),
        ("/users/$(uri_captures.user)/x", "/users/a b/x".replace(" ", "%20")),
        ("/$(uri_captures.none or 'default')", "/default"),
        ("/é?#", "/%C3%A9%3F%23"),
        ("/a%20b", "/a%20b"),
        ("/$(uri_captures[0])", "//original"),
        ("/$(uri_captures.raw)", "/%FF"),
        ("", "/original"),
    ],
)
def test_replace_uri(uri: str, expected: str) -> None:
    ctx = FakeContext(target="/original?q=1")
    ctx.captures = FakeCaptures(("/original",), {"user": "a b", "raw": "\udcff"})

    assert run({"replace.uri": uri}, ctx) == 0
    assert (ctx.upstream.path, ctx.upstream.query) == (expected, "q=1")


@pytest.mark.parametrize(
    "changes",
    [
        {"replace.uri": "no-slash"},
        {"replace.uri": "$(nothing.here)"},
        {"add.headers": ["a:$(10 * 'ten')"]},
        {"add.querystring": ["a:$(missing())"]},
    ],
)
def test_a_template_that_fails_is_an_error_of_the_gateway(changes: dict[str, Any]) -> None:
    assert run(changes, FakeContext()) == 500


def test_records_may_be_null() -> None:
    ctx = FakeContext(target="/?a=1", headers=[("X-A", "1")])
    nothing = dict.fromkeys(ACTIONS)
    assert run(nothing | {"http_method": "PUT"}, ctx) == 0

    assert (ctx.upstream.method, ctx.upstream.headers.items()) == ("PUT", [("X-A", "1")])


def test_method() -> None:
    ctx = FakeContext("POST", "/?a=1", [FORM], b"a=2&b=3")
    run({"http_method": "GET"}, ctx)
    assert (ctx.upstream.method, ctx.upstream.query, ctx.upstream.body) == ("GET", "a=1&a=2&b=3", None)

    for method, header in (("PUT", FORM), ("GET", JSON)):
        ctx = FakeContext("POST", "/?a=1", [header], b"a=2")
        run({"http_method": method}, ctx)
        assert (ctx.upstream.method, ctx.upstream.query) == (method, "a=1")


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"rename.headers": ["a:b c"]}, "rename.headers[0]", "'b c' is not a valid header"),
        ({"add.headers": ["ok:1", "a b:1"]}, "add.headers[1]", "'a b' is not a valid header"),
        ({"add.body": ["a"]}, "add.body[0]", "key 'a' has no value"),
        ({"rename.querystring": ["a:"]}, "rename.querystring[0]", "key 'a' has no value"),
        (
            {"add.querystring": ["a:$(1 +)"]},
            "add.querystring[0]",
            "value '$(1 +)' is not in supported format, error:unexpected end",
        ),
        (
            {"replace.uri": "$("},
            "replace.uri",
            "value '$(' is not in supported format, error:missing ')' of '$('",
        ),
    ],
)
def test_config_errors(changes: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(changes, FakeContext())

    assert (caught.value.field, caught.value.message) == (field, message)
