"""Whatever is sent, the answer is one of the API's own and never a bug's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbless_gateway.admin.api import ADMIN_API
from dbless_gateway.admin.endpoints import Endpoint
from tests.unit.admin.node_reports import FixedCommands
from tests.unit.admin.served import ask, catalog

SERVED = catalog()
BODIES = tuple(endpoint for endpoint in ADMIN_API if endpoint.takes is not None)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["name", "host", "port", "tags", "config", "service", "upstream", "target", "id", "paths"]
    )
    | st.text(max_size=8),
    JSON_VALUES,
    max_size=4,
)
KEYS = st.sampled_from(
    ["users", "bob", "up", "list", "%00", "%ff", "10.0.0.1:80", "a" * 300, "[::", "%F0%9F"]
)
# Commands without health, as of a node that has not started, answer this.
EXPECTED = {200, 201, 204, 304, 400, 404, 405, 409, 415, 501, 503}


def path_of(endpoint: Endpoint, keys: list[str]) -> str:
    path = endpoint.path
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + keys.pop() + path[end + 1 :]
    return path


@settings(max_examples=100, deadline=None)
@given(endpoint=st.sampled_from(BODIES), keys=st.lists(KEYS, min_size=3, max_size=3), fields=FIELDS)
def test_json_bodies(endpoint: Endpoint, keys: list[str], fields: dict[str, Any]) -> None:
    body = json.dumps(fields).encode()
    answer = ask(
        FixedCommands(served=SERVED), endpoint.method, path_of(endpoint, keys), body, "application/json"
    )
    assert answer.status in EXPECTED


@settings(max_examples=100, deadline=None)
@given(
    endpoint=st.sampled_from(BODIES),
    kind=st.sampled_from(
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"]
    ),
    body=st.binary(max_size=60)
    | st.sampled_from([b"a[1].b=1", b"config.a[]=1&config=2", b"--x\r\n\r\n--x--"]),
)
def test_any_bytes(endpoint: Endpoint, kind: str, body: bytes) -> None:
    path = path_of(endpoint, ["users", "users", "users"])
    assert ask(FixedCommands(served=SERVED), endpoint.method, path, body, kind).status in EXPECTED


@settings(max_examples=100, deadline=None)
@given(
    endpoint=st.sampled_from([row for row in ADMIN_API if row.method == "GET" and row.path != "/explain"]),
    keys=st.lists(KEYS, min_size=3, max_size=3),
    query=st.sampled_from(
        ["", "size=1e9", "size=-1", "size=inf", "offset=%00", "offset=AAAA", "tags=,", "tags=%2F"]
    ),
)
def test_questions(endpoint: Endpoint, keys: list[str], query: str) -> None:
    answer = ask(FixedCommands(served=SERVED), "GET", f"{path_of(endpoint, keys)}?{query}")
    assert answer.status in EXPECTED


@pytest.mark.parametrize("path", ["", "/", "//", "/services//", "/%", "*", "/services/users/routes/list/x"])
def test_odd_paths(path: str) -> None:
    assert ask(FixedCommands(served=SERVED), "GET", path).status in (200, 404)
