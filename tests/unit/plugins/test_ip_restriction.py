"""ip-restriction, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import ip_restriction
from tests.support.plugin_context import FakeContext, make_handler


@pytest.mark.parametrize(
    ("config", "address", "is_allowed"),
    [
        ({"deny": ["10.0.0.1"]}, "10.0.0.1", False),
        ({"deny": ["10.0.0.1"]}, "10.0.0.2", True),
        ({"deny": ["10.0.0.1/32"]}, "10.0.0.1", False),
        ({"deny": ["10.0.0.1/32"]}, "10.0.0.2", True),
        ({"allow": ["127.0.0.0/24"]}, "127.0.0.255", True),
        ({"allow": ["2001:db8::/32", "10.0.0.0/8"]}, "2001:db8:ffff::1", True),
        ({"allow": ["2001:db8::/32", "10.0.0.0/8"]}, "2001:db9::1", False),
        ({"allow": ["10.0.0.1"], "deny": []}, "10.0.0.2", False),
        ({"allow": None, "deny": ["10.0.0.1"]}, "10.0.0.2", True),
        ({"deny": ["10.0.0.0/24", "10.9.0.0/16"]}, "10.9.1.1", False),
        ({"deny": ["10.0.0.7/24"]}, "10.0.0.1", False),
        ({"allow": ["10.0.0.0/24"]}, "10.0.0.1", True),
        ({"allow": ["10.0.0.0/24"]}, "10.0.1.1", False),
        ({"allow": ["10.0.0.0/24"], "deny": ["10.0.0.1"]}, "10.0.0.1", False),
        ({"allow": ["10.0.0.0/24"], "deny": ["10.0.0.1"]}, "10.0.0.2", True),
        ({"allow": ["::1", "127.0.0.1"]}, "::1", True),
        ({"allow": ["127.0.0.1"]}, "::1", False),
        ({"deny": ["fe80::/10"]}, "fe80::1%eth0", False),
        ({"deny": ["0.0.0.0/0"]}, "2001:db8::1", True),
        ({"allow": [], "deny": ["10.0.0.1"]}, "10.0.0.2", True),
    ],
)
def test_who_may_pass(config: dict[str, Any], address: str, is_allowed: bool) -> None:
    handler = make_handler(ip_restriction, config)

    for _ in range(2):  # The second verdict is a remembered one.
        assert (handler.access(FakeContext(client_ip=address)) is None) is is_allowed


@pytest.mark.parametrize(
    ("config", "status", "message"),
    [
        ({}, 403, "IP address not allowed: 10.0.0.1"),
        ({"status": 405, "message": "go away"}, 405, "go away"),
    ],
)
def test_the_refusal(config: dict[str, Any], status: int, message: str) -> None:
    handler = make_handler(ip_restriction, {"deny": ["10.0.0.1"], **config})
    reply = handler.access(FakeContext(headers=[("Accept", "text/plain")], client_ip="10.0.0.1"))

    assert reply.status == status
    assert reply.body.decode().startswith(message + "\n")


def test_each_refusal_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    handler = make_handler(ip_restriction, {"deny": ["10.0.0.1"], "message": "go away"})
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.1"):
        handler.access(FakeContext(client_ip=address))

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "IP address not allowed: 10.0.0.1")
    ] * 2


def test_grpc() -> None:
    handler = make_handler(ip_restriction, {"deny": ["10.0.0.1"]})
    reply = handler.access(FakeContext(headers=[("content-type", "application/grpc")], client_ip="10.0.0.1"))

    assert dict(reply.headers) == {"grpc-status": "7", "grpc-message": "PermissionDenied"}


def test_a_unix_socket_has_no_address() -> None:
    handler = make_handler(ip_restriction, {"allow": ["0.0.0.0/0"], "status": 410, "message": "go away"})
    reply = handler.access(FakeContext(headers=[("Accept", "text/plain")], client_ip="unix:"))

    assert reply.status == 403
    assert reply.body.startswith(
        b"Cannot identify the client IP address, unix domain sockets are not supported.\n"
    )


def test_the_memory_of_verdicts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ip_restriction, "_REMEMBERED_VERDICTS", 3)
    handler = make_handler(ip_restriction, {"deny": ["10.0.0.1"]})

    verdicts = [handler.access(FakeContext(client_ip=f"10.0.0.{n % 5}")) is None for n in range(15)]
    assert verdicts == [n % 5 != 1 for n in range(15)]


@pytest.mark.parametrize("text", ["300.0.0.1", "10.0.0.0/33", "host.test", ""])
def test_config_errors(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_handler(ip_restriction, {"allow": ["10.0.0.1", text]})

    assert (caught.value.field, caught.value.message) == ("allow[1]", f"invalid ip or cidr range: '{text}'")
