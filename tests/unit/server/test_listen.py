from __future__ import annotations

import pytest

from dbless_gateway.server.listen import DEFAULT_BACKLOG, Listen, addresses
from dbless_gateway.server.setting_types import SettingError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", ()),
        ("127.0.0.1:8000", (Listen("127.0.0.1", 8000),)),
        ("localhost:0", (Listen("localhost", 0),)),
        ("[::1]:8000 ipv6only=off", (Listen("::1", 8000, ipv6only=False),)),
        (
            "0.0.0.0:8000 reuseport backlog=511, 0.0.0.0:8443 http2 ssl",
            (
                Listen("0.0.0.0", 8000, reuseport=True, backlog=511),
                Listen("0.0.0.0", 8443, http2=True, ssl=True),
            ),
        ),
        (
            "1.2.3.4:80 bind deferred so_keepalive=30::10",
            (Listen("1.2.3.4", 80, deferred=True, so_keepalive="30::10"),),
        ),
        ("unix:/run/g.sock ssl", (Listen("", 0, "/run/g.sock", ssl=True),)),
        ("1.2.3.4:80 proxy_protocol", (Listen("1.2.3.4", 80, proxy_protocol=True),)),
    ],
)
def test_reads(text: str, expected: tuple[Listen, ...]) -> None:
    assert addresses("proxy_listen", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", ":8000", "::1:8000", "[::1]8000",
        "127.0.0.1:80 sll", "127.0.0.1:80 backlog=0", "127.0.0.1:80 backlog=x", "127.0.0.1:80 ssl=on",
        "127.0.0.1:80 ipv6only=yes", "127.0.0.1:80 so_keepalive=1:2", "127.0.0.1:80,",
        "unix:g.sock", "unix:", "off, 127.0.0.1:80",
    ],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(SettingError, match=r"^proxy_listen must be of form: \[off\] \| <ip>:<port> \[ssl\]"):
        addresses("proxy_listen", text)


def test_refuses_a_flag_that_would_break_each_client() -> None:
    with pytest.raises(SettingError, match="proxy_listen: the flag udp is not supported"):
        addresses("proxy_listen", "127.0.0.1:80 udp")


def test_the_default_backlog_is_that_of_kong() -> None:
    (listen,) = addresses("x", "127.0.0.1:80")
    assert listen.backlog == DEFAULT_BACKLOG == 16384


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80", "unix:/run/g.sock"])
def test_is_shown_as_it_was_written(text: str) -> None:
    assert [str(listen) for listen in addresses("x", text)] == [text]
