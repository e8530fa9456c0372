"""Bodies that plugins read and change: forms, JSON, multipart, and what is none of these."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.body import parse_body

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


def test_json_append_makes_lists() -> None:
    fields = parse_body(b'{"l":["1"]}', "application/json")
    assert fields is not None
    fields.append("l", "2")
    fields.append("new", "1")

    assert fields.encode() == b'{"l":["1","2"],"new":["1"]}'


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
