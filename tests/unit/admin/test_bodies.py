from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.admin.bodies import fields_of
from dbless_gateway.admin.failures import Failure
from dbless_gateway.admin.messages import AdminRequest

FORM = "application/x-www-form-urlencoded"


def read(body: bytes, collection: str, content_type: str = FORM) -> dict[str, Any]:
    return fields_of(AdminRequest("POST", "/", {}, {"content-type": content_type}, body), collection)


@pytest.mark.parametrize(
    ("body", "collection", "fields"),
    [
        (b"name=x&port=81&enabled=false", "services", {"name": "x", "port": 81, "enabled": False}),
        (b"paths[]=/a&paths[]=/b", "routes", {"paths": ["/a", "/b"]}),
        (b"paths[1]=/a&paths[2]=/b", "routes", {"paths": ["/a", "/b"]}),
        (b"paths=/a&paths=/b", "routes", {"paths": ["/a", "/b"]}),
        (b"paths=/a", "routes", {"paths": ["/a"]}),
        (b"paths%5B%5D=%2Fa", "routes", {"paths": ["/a"]}),
        (b"paths=", "routes", {"paths": None}),
        (b"service.id=1&service.name=n", "routes", {"service": {"id": "1", "name": "n"}}),
        (b"headers.x-foo=bar", "routes", {"headers": {"x-foo": ["bar"]}}),
        (b"headers[x-foo]=bar", "routes", {"headers": {"x-foo": ["bar"]}}),
        (
            b"name=rate-limiting&config.minute=5&config.policy=local",
            "plugins",
            {"name": "rate-limiting", "config": {"minute": 5, "policy": "local"}},
        ),
        (b"name=cors&config.origins=a,b", "plugins", {"name": "cors", "config": {"origins": ["a,b"]}}),
        (
            b"healthchecks.active.healthy.interval=0.5",
            "upstreams",
            {"healthchecks": {"active": {"healthy": {"interval": 0.5}}}},
        ),
        (b"port=x", "services", {"port": "x"}),
        (b"", "services", {}),
        (b"nothing=1", "services", {"nothing": "1"}),
    ],
)
def test_forms(body: bytes, collection: str, fields: dict[str, Any]) -> None:
    assert read(body, collection) == fields


def test_multipart() -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\na b\r\n'
        b'--x\r\nContent-Disposition: form-data; name="config"; filename="kong.yaml"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\xc3\xa4: 1\n\r\n--x--\r\n"
    )
    assert read(body, "services", "multipart/form-data; boundary=x") == {"name": "a b", "config": "ä: 1\n"}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"x", "multipart/form-data", 400),
        (b"a[0]=x", FORM, 400),
        (b"a[999999999]=x", FORM, 400),
        (b"[=x", FORM, 400),
        (b"=x", FORM, 400),
        (b"a=x&a.b=y", FORM, 400),
        (b"a" + b".a" * 50 + b"=x", FORM, 400),
    ],
)
def test_unreadable_bodies_are_refused(body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(Failure) as failure:
        read(body, "services", content_type)
    assert failure.value.answer.status == status


def test_json_is_taken_literally() -> None:
    assert read(b'{"port": "81", "a": null}', "services", "application/json") == {"port": "81", "a": None}
