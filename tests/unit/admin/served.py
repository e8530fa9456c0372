"""A configuration that is served, for tests of views over it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from dbless_gateway.admin.api import ADMIN_API, Api
from dbless_gateway.admin.catalog import Catalog
from dbless_gateway.admin.messages import AdminAnswer, AdminRequest
from dbless_gateway.config.load import LoadOptions, load
from dbless_gateway.config.source import Source
from tests.unit.admin.node_reports import FixedCommands

TEXT = """
_format_version: "3.0"
services:
  - name: users
    url: https://users.test/base
    tags: [a, b]
    routes:
      - name: list
        paths: [/list]
        tags: [a]
      - name: größe
        paths: [/one]
        plugins:
          - name: key-auth
  - name: empty
    host: up
consumers:
  - username: bob
    custom_id: "7"
    keyauth_credentials: [{key: bobs}]
    acls: [{group: admins}]
  - username: eve
upstreams:
  - name: up
    targets:
      - {target: "10.0.0.1:80", created_at: 1}
      - {target: "10.0.0.2:80", created_at: 2}
      - {target: "10.0.0.3", created_at: 3, tags: [a]}
plugins:
  - name: cors
"""


def catalog(text: str = TEXT) -> Catalog:
    """Load a text; it must be right."""
    loaded = load([Source("kong.yaml", text)], LoadOptions(environ={}, now=1000.0, seed=b"x" * 32))
    assert loaded.entities is not None, loaded.problems
    return Catalog(loaded.entities)


def ask(
    commands: FixedCommands,
    method: str,
    target: str,
    body: bytes = b"",
    content_type: str = "",
    *,
    is_trusted: bool = True,
) -> AdminAnswer:
    """Send a request to the Admin API."""
    path, _, query = target.partition("?")
    pairs = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
    headers = {"content-type": content_type} if content_type else {}
    request = AdminRequest(method, path, pairs, headers, body, is_trusted=is_trusted)
    return asyncio.run(Api(ADMIN_API, commands).answer(request))


def get(target: str, text: str = TEXT, *, is_trusted: bool = True) -> tuple[int, Any]:
    """Return the status and the body of a GET."""
    answer = ask(FixedCommands(served=catalog(text)), "GET", target, is_trusted=is_trusted)
    return answer.status, json.loads(answer.body or b"null")
