from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from dbless_gateway.server import setting_types as types


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (types.boolean, "on", True),
        (types.trusted_file, "system", None),
        (types.trusted_file, "", None),
        (types.boolean, "TRUE", True),
        (types.boolean, "off", False),
        (types.boolean, "false", False),
        (types.integer(0), "0", 0),
        (types.integer(1, 1000), "1000", 1000),
        (types.seconds, "60", 60.0),
        (types.seconds, "60s", 60.0),
        (types.seconds, "500ms", 0.5),
        (types.seconds, "2m", 120.0),
        (types.seconds, "1h", 3600.0),
        (types.seconds, "0.5", 0.5),
        (types.optional_seconds, "", None),
        (types.optional_seconds, "3", 3.0),
        (types.size_bytes, "0", 0),
        (types.size_bytes, "8k", 8192),
        (types.size_bytes, "128M", 128 * 1024**2),
        (types.size_bytes, "1g", 1024**3),
        (types.buffers, "4 8k", (4, 8192)),
        (types.words, " a, ,b ", ("a", "b")),
        (types.words, "", ()),
        (types.one_of("a", "b"), "b", "b"),
        (types.workers, "auto", None),
        (types.workers, "3", 3),
        (types.port_maps, "80:8000, 443:8443", {8000: 80, 8443: 443}),
        (types.networks, "", ((), False)),
        (types.networks, "10.0.0.1, unix:", ((ip_network("10.0.0.1/32"),), True)),
        (types.networks, "10.1.2.3/8, ::/0", ((ip_network("10.0.0.0/8"), ip_network("::/0")), False)),
        (types.tokens("Via", "Server"), "via", frozenset({"via"})),
        (types.tokens("Via"), "off", frozenset()),
    ],
)
def test_reads(read: types.Reader, text: str, expected: Any) -> None:
    assert read("name", text) == expected


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (types.boolean, "yes", "name is not a boolean: 'yes' (on, off)"),
        (types.trusted_file, "/no/such.pem", "name: failed loading certificate from /no/such.pem"),
        (types.integer(0), "x", "name is not a number: 'x'"),
        (types.integer(0), "-1", "name must be 0 or greater"),
        (types.integer(1, 1000), "0", "name must be an integer between 1 and 1000"),
        (types.integer(1, 1000), "1001", "name must be an integer between 1 and 1000"),
        (types.seconds, "soon", "name is not a time: 'soon' (such as 60s)"),
        (types.seconds, "-1", "name is not a time: '-1' (such as 60s)"),
        (types.size_bytes, "8kb", "name is not a size: '8kb' (such as 8k or 10m)"),
        (types.buffers, "8k", "name must be of form: <count> <size>, such as 4 8k"),
        (types.buffers, "0 8k", "name must be of form: <count> <size>, such as 4 8k"),
        (types.one_of("a", "b"), "c", "name has an invalid value: 'c' (a, b)"),
        (types.workers, "0", "name must be a number of 1 or more, or auto; got '0'"),
        (types.workers, "many", "name must be a number of 1 or more, or auto; got 'many'"),
        (types.port_maps, "80", "invalid port mapping (`port_maps`): 80"),
        (types.port_maps, "0:8000", "invalid port mapping (`port_maps`): 0:8000"),
        (types.port_maps, "80:65536", "invalid port mapping (`port_maps`): 80:65536"),
        (types.networks, "10.0.0.1,me", "or 'unix:', got 'me'"),
        (types.tokens("Via"), "Via,Wia", "name: invalid entry 'Wia'"),
    ],
)
def test_refuses(read: types.Reader, text: str, message: str) -> None:
    with pytest.raises(types.SettingError) as caught:
        read("name", text)
    assert str(caught.value).endswith(message)
