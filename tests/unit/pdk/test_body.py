"""Bodies that plugins read and change: forms, JSON, multipart, and what is none of these."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.body import Fields, empty_body, parse_body

PARTS = (
    b'--b1\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b1\r\nContent-Disposition: form-data; name="f"; filename="x.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n\r\n"
    b"--b1\r\nContent-Disposition: form-data; name=a\r\n\r\n2\r\n--b1--\r\n"
)
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b1"


@pytest.mark.parametrize(
    ("body", "content_type", "name", "value"),
    [
        (b"a=1&b=2", FORM, "a", "1"),
        (b"a=1&a=2", FORM + "; charset=utf-8", "a", ["1", "2"]),
        (b"a", FORM, "a", True),
        (b"b=1", FORM, "a", None),
        (b'{"a":"x"}', "application/json", "a", "x"),
        (b'{"a":5}', "Application/JSON; charset=utf-8", "a", 5),
        (PARTS, MULTIPART, "a", ["1", "2"]),
        (PARTS, 'multipart/form-data; boundary="b1"', "nothing", None),
    ],
)
def test_get(body: bytes, content_type: str, name: str, value: Any) -> None:
    fields = parse_body(body, content_type)

    assert fields is not None
    assert fields.get(name) == value


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (None, FORM),
        (b"a=1", None),
        (b"a=1", "text/plain"),
        (b"[1]", "application/json"),
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 100_000, "application/json"),
        (PARTS, "multipart/form-data"),
        (PARTS, "multipart/form-data; boundary=other"),
        (b"--b1\r\nno blank line\r\n--b1--", MULTIPART),
    ],
)
def test_what_cannot_be_read_has_no_fields(body: bytes | None, content_type: str | None) -> None:
    assert parse_body(body, content_type) is None


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"a=1&b=2&a=3", FORM, b"b=2&n=x%20y&n=2"),
        (b'{"a":1,"b":[true]}', "application/json", b'{"b":[true],"n":["x y","2"]}'),
    ],
)
def test_change(body: bytes, content_type: str, expected: bytes) -> None:
    fields = parse_body(body, content_type)
    assert fields is not None

    fields.remove("a")
    fields.set("n", "x y")
    fields.append("n", "2")

    assert fields.encode() == expected


def test_set_replaces_in_place() -> None:
    form = parse_body(b"a=1&b=2&a=3", FORM)
    json = parse_body(b'{"a":1,"b":2}', "application/json")
    assert form is not None
    assert json is not None

    for fields in (form, json):
        fields.set("a", "9")

    assert (form.encode(), json.encode()) == (b"a=9&b=2", b'{"a":"9","b":2}')


def test_multipart_keeps_what_it_does_not_touch() -> None:
    fields = parse_body(PARTS, MULTIPART)
    assert fields is not None
    assert fields.encode() == PARTS

    fields.set("a", "9")
    fields.set("new", "n")
    fields.remove("f")

    assert fields.encode() == (
        b'--b1\r\nContent-Disposition: form-data; name="a"\r\n\r\n9\r\n'
        b'--b1\r\nContent-Disposition: form-data; name="new"\r\n\r\nn\r\n--b1--\r\n'
    )


def _all_kinds(form: bytes, json: bytes) -> list[Fields]:
    bodies = [(form, FORM), (json, "application/json"), (PARTS, MULTIPART)]
    parsed = [parse_body(body, content_type) for body, content_type in bodies]
    return [fields for fields in parsed if fields is not None]


def test_has_and_rename_and_as_dict() -> None:
    form, json, multipart = _all_kinds(b"a=1&b=2&c=3", b'{"a":1,"b":2,"n":null,"f":false}')
    for fields in (form, json):
        assert (fields.has("a"), fields.has("x")) == (True, False)
        fields.rename("a", "b")
        assert (fields.has("a"), fields.has("b")) == (False, True)
    multipart.rename("f", "g")

    assert (json.has("n"), json.has("f")) == (True, False)
    assert form.as_dict() == {"b": "1", "c": "3"}
    assert json.as_dict() == {"b": 1, "n": None, "f": False}
    assert multipart.has("g")
    assert b'; name="g"; filename="x.bin"' in multipart.encode()
    assert multipart.as_dict()["a"] == ["1", "2"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"l":"1"}', b'{"l":["1","2"]}'),
        (b'{"l":["1"]}', b'{"l":["1","2"]}'),
        (b'{"l":1}', b'{"l":["2"]}'),
        (b'{"l":null}', b'{"l":["2"]}'),
        (b"{}", b'{"l":["2"]}'),
    ],
)
def test_json_append(value: bytes, expected: bytes) -> None:
    fields = parse_body(value, "application/json")
    assert fields is not None
    fields.append("l", "2")

    assert fields.encode() == expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (FORM, b"a=1"),
        ("application/json", b'{"a":"1"}'),
        (MULTIPART, b'--b1\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b1--\r\n'),
        ("multipart/form-data", None),
        ("text/plain", None),
        (None, None),
    ],
)
def test_an_empty_body_can_be_filled(content_type: str | None, expected: bytes | None) -> None:
    fields = empty_body(content_type)
    if fields is not None:
        fields.set("a", "1")

    assert (fields and fields.encode()) == expected
