"""Host headers and the forms of addresses."""

from __future__ import annotations

import pytest

from dbless_gateway.runtime.peer import Peer, PeerId, is_ip, split_port


@pytest.mark.parametrize(
    ("name", "port", "plain", "tls", "server_name"),
    [
        ("api.test", 80, b"api.test", b"api.test:80", "api.test"),
        ("api.test", 443, b"api.test:443", b"api.test", "api.test"),
        ("api.test", 8000, b"api.test:8000", b"api.test:8000", "api.test"),
        ("10.0.0.1", 80, b"10.0.0.1", b"10.0.0.1:80", None),
        ("::1", 80, b"[::1]", b"[::1]:80", None),
        ("2001:db8::1", 8080, b"[2001:db8::1]:8080", b"[2001:db8::1]:8080", None),
        # A host_header with a port of its own keeps it.
        ("other.test:9000", 80, b"other.test:9000", b"other.test:9000", "other.test"),
    ],
)
def test_names(name: str, port: int, plain: bytes, tls: bytes, server_name: str | None) -> None:
    peer = Peer(PeerId(f"t:{port}", "t", "10.0.0.1", port))
    peer.name_as(name)
    assert (plain, tls, server_name) == (peer.host_header, peer.host_header_tls, peer.server_name)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("a.test", "a.test", None),
        ("a.test:80", "a.test", 80),
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("[::1]:80", "::1", 80),
        ("[0000:0000:0000:0000:0000:0000:0000:0001]:8000", "::1", 8000),
        ("[::1]", "::1", None),
        ("::1", "::1", None),
    ],
)
def test_split_port(text: str, host: str, port: int | None) -> None:
    assert (host, port) == split_port(text)


@pytest.mark.parametrize(
    ("host", "expected"), [("10.0.0.1", True), ("::1", True), ("a.test", False), ("1.2.3", False)]
)
def test_is_ip(host: str, expected: bool) -> None:
    assert expected is is_ip(host)


def test_repr_names_the_address() -> None:
    assert repr(Peer(PeerId("a:80", "a", "10.0.0.1", 80))) == "<Peer a(10.0.0.1:80) weight 0>"
