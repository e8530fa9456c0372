"""request-size-limiting, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.plugins import request_size_limiting
from tests.support.plugin_context import FakeContext, make_handler

DEFAULTS: dict[str, Any] = {
    "allowed_payload_size": 10,
    "size_unit": "bytes",
    "require_content_length": False,
}
LENGTH, CHUNKED = "Content-Length", ("Transfer-Encoding", "chunked")


@pytest.mark.parametrize(
    ("config", "headers", "status"),
    [
        ({}, [(LENGTH, "10")], 0),
        ({}, [(LENGTH, "11")], 413),
        ({"size_unit": "kilobytes"}, [(LENGTH, "10240")], 0),
        ({"size_unit": "kilobytes"}, [(LENGTH, "10241")], 413),
        ({"size_unit": "megabytes"}, [(LENGTH, "10485760")], 0),
        ({"size_unit": "megabytes"}, [(LENGTH, "10485761")], 413),
        ({}, [(LENGTH, "11"), ("Expect", " 100-Continue ")], 417),
        ({}, [], 0),
        ({"require_content_length": True}, [], 411),
        ({"require_content_length": True}, [CHUNKED], 0),
        ({"require_content_length": True}, [(LENGTH, "1")], 0),
    ],
)
def test_sizes(config: dict[str, Any], headers: list[tuple[str, str]], status: int) -> None:
    reply = make_handler(request_size_limiting, DEFAULTS | config).access(
        FakeContext("POST", headers=headers)
    )

    assert (reply.status if reply else 0) == status


def test_messages() -> None:
    accept = ("Accept", "text/plain")
    handler = make_handler(request_size_limiting, DEFAULTS | {"require_content_length": True})
    too_large = handler.access(FakeContext("POST", headers=[(LENGTH, "11"), accept]))
    unknown = handler.access(FakeContext(headers=[accept]))

    assert too_large.body.startswith(b"Request size limit exceeded\n")
    assert unknown.body.startswith(b"A valid Content-Length header is required\n")


def test_a_body_of_unknown_length_is_measured_on_its_way() -> None:
    ctx = FakeContext("POST", headers=[CHUNKED])
    make_handler(request_size_limiting, DEFAULTS).access(ctx)
    assert ctx.body_limit is not None
    limit_bytes, reply = ctx.body_limit

    assert (limit_bytes, reply.status) == (10, 413)


def test_the_default_size() -> None:
    handler = make_handler(
        request_size_limiting, DEFAULTS | {"allowed_payload_size": None, "size_unit": "bytes"}
    )

    assert handler.access(FakeContext(headers=[(LENGTH, "128")])) is None
    assert handler.access(FakeContext(headers=[(LENGTH, "129")])).status == 413
