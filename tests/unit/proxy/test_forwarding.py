"""The head that the target sees (proxy.md section 2): each header, from trusted and other peers."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from dbless_gateway.pdk.identity import Consumer, Credential
from dbless_gateway.proxy.forwarding import IdentityBlocks, server_name, split_host
from dbless_gateway.proxy.options import ProxyOptions
from tests.support.client import request_bytes
from tests.support.exchange_script import CLIENT_IP, Stage
from tests.support.plugin_context import make_consumer, make_credential
from tests.support.upstream_entities import upstream
from tests.support.wire import Request
from tests.unit.proxy.conftest import MakeStage

TRUST_ALL = ProxyOptions(trusted_ips=(ip_network("0.0.0.0/0"),))


def forward(stage: Stage, raw: bytes, scheme: str = "http") -> Request:
    """Return the request that the target gets for this one."""
    stage.connect(scheme=scheme).send(raw)
    return stage.accept().read_request()


PLAIN = [
    ("Host", "10.1.1.1"),
    ("Connection", "keep-alive"),
    ("X-Real-IP", CLIENT_IP),
    ("X-Forwarded-For", CLIENT_IP),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Port", "8000"),
    ("X-Forwarded-Host", "gateway.test"),
    ("X-Forwarded-Path", "/a%20b/c"),
    ("Via", "1.1 kong/3.9.1"),
]


def test_plain_request(stage: Stage) -> None:
    request = forward(stage, request_bytes(target="/a%20b/c?d=%41"))
    assert request.start_line == "GET /a%20b/c?d=%41 HTTP/1.1"
    assert request.headers[:-1] == PLAIN
    name, value = request.headers[-1]
    assert name == "X-Kong-Request-Id"
    assert len(value) == 32
    assert set(value) <= set("0123456789abcdef")


FORGED = [
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "public.test"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Path", "/public"),
    ("X-Forwarded-Prefix", "/prefix"),
]


@pytest.mark.parametrize("trusted", [True, False])
def test_forwarded_headers_are_believed_from_trusted_peers_only(make_stage: MakeStage, trusted: bool) -> None:
    stage = make_stage(options=TRUST_ALL if trusted else None)
    request = forward(stage, request_bytes(target="/a", headers=FORGED))
    believed = ["https", "public.test", "443", "/public", "/prefix"]
    own = ["http", "gateway.test", "8000", "/a", None]
    assert [request.get(name) for name, _ in FORGED] == (believed if trusted else own)


@pytest.mark.parametrize(
    ("before", "chain"),
    [
        ([], CLIENT_IP),
        (["1.1.1.1"], f"1.1.1.1, {CLIENT_IP}"),
        (["1.1.1.1, 2.2.2.2"], f"1.1.1.1, 2.2.2.2, {CLIENT_IP}"),
        (["1.1.1.1", "2.2.2.2"], f"1.1.1.1, 2.2.2.2, {CLIENT_IP}"),
    ],
)
def test_forwarded_for_grows_whoever_sends_it(stage: Stage, before: list[str], chain: str) -> None:
    headers = [("X-Forwarded-For", value) for value in before]
    assert forward(stage, request_bytes(headers=headers)).get("X-Forwarded-For") == chain


def test_real_ip_of_any_header(make_stage: MakeStage) -> None:
    """real_ip_header may name a header that means nothing else to the gateway."""
    options = ProxyOptions(trusted_ips=(ip_network("0.0.0.0/0"),), real_ip_header="CF-Connecting-IP")
    request = forward(make_stage(options=options), request_bytes(headers=[("CF-Connecting-IP", "9.9.9.9")]))
    assert request.get("X-Real-IP") == "9.9.9.9"
    assert request.get("X-Forwarded-For") == CLIENT_IP, "always the peer of the connection"


def test_listener_decides_scheme_and_port(make_stage: MakeStage) -> None:
    stage = make_stage(options=ProxyOptions(port_maps={8000: 443}))
    request = forward(stage, request_bytes(), scheme="https")
    assert (request.get("X-Forwarded-Proto"), request.get("X-Forwarded-Port")) == ("https", "443")


@pytest.mark.parametrize(
    ("route", "path", "sent", "prefix"),
    [
        ({"paths": ("/p",), "strip_path": True}, "/p/x", "/x", "/p"),
        ({"paths": ("/p",), "strip_path": True}, "/p", "/", "/p"),
        ({"paths": ("/p",), "strip_path": False}, "/p/x", "/p/x", None),
        ({"paths": ("/",), "strip_path": True}, "/x", "/x", None),
    ],
)
def test_stripped_prefix_is_told(
    make_stage: MakeStage, route: dict[str, Any], path: str, sent: str, prefix: str | None
) -> None:
    request = forward(make_stage(route=route), request_bytes(target=path))
    assert (request.target, request.get("X-Forwarded-Prefix")) == (sent, prefix)


def test_http_10_client(stage: Stage) -> None:
    request = forward(stage, b"GET /a HTTP/1.0\r\n\r\n")
    assert request.start_line == "GET /a HTTP/1.1"
    assert request.get("Via") == "1 kong/3.9.1"
    assert request.get("X-Forwarded-Host") is None


@pytest.mark.parametrize(
    ("fields", "route", "host"),
    [
        ({}, {}, "10.1.1.1"),
        ({"port": 81}, {}, "10.1.1.1:81"),
        ({}, {"preserve_host": True}, "GateWay.test:8000"),
    ],
)
def test_host(make_stage: MakeStage, fields: dict[str, Any], route: dict[str, Any], host: str) -> None:
    stage = make_stage(service=fields, route=route)
    assert forward(stage, request_bytes(host="GateWay.test:8000")).get("Host") == host


def test_host_header_of_the_upstream(make_stage: MakeStage) -> None:
    stage = make_stage(
        service={"host": "u"}, upstream=upstream("u", host_header="inside.test"), targets=[("10.0.0.1:80", 1)]
    )
    assert forward(stage, request_bytes()).get("Host") == "inside.test"


def test_request_id_can_be_left_out(make_stage: MakeStage) -> None:
    stage = make_stage(options=ProxyOptions(request_id_upstream=False))
    assert forward(stage, request_bytes()).get("X-Kong-Request-Id") is None


def test_request_id_of_the_client_is_replaced(stage: Stage) -> None:
    request = forward(stage, request_bytes(headers=[("X-Kong-Request-Id", "mine")]))
    assert request.get("X-Kong-Request-Id") not in (None, "mine")


class Authenticating:
    """A plugin that says who the client is."""

    def __init__(self, consumer: Consumer | None, credential: Credential | None) -> None:
        self._identity = (consumer, credential)

    def access(self, ctx: Any) -> None:
        ctx.authenticate(*self._identity)


IDENTITY = (
    "X-Consumer-ID",
    "X-Consumer-Custom-ID",
    "X-Consumer-Username",
    "X-Credential-Identifier",
    "X-Anonymous-Consumer",
)
WHO = make_consumer("c1", "alice", "007")
KEY = make_credential("k1", "keyauth_credentials", "c1", key="secret")


@pytest.mark.parametrize("separator", ["-", "_"])
@pytest.mark.parametrize(
    ("consumer", "credential", "expected"),
    [
        (WHO, KEY, ("c1", "007", "alice", "k1", None)),
        (make_consumer("c2"), KEY, ("c2", None, None, "k1", None)),
        (WHO, None, ("c1", "007", "alice", None, "true")),
    ],
)
def test_identity_cannot_be_forged(
    make_stage: MakeStage,
    consumer: Consumer,
    credential: Credential | None,
    expected: tuple[str | None, ...],
    separator: str,
) -> None:
    """A target behind CGI or WSGI cannot tell "X_Consumer_ID" from "X-Consumer-ID"."""
    stage = make_stage(plugins=[Authenticating(consumer, credential)])
    forged = [(name.replace("-", separator), "forged") for name in IDENTITY]
    request = forward(stage, request_bytes(headers=forged))
    assert tuple(request.get(name) for name in IDENTITY) == expected
    assert b"forged" not in request.raw


@pytest.mark.parametrize("is_edited", [False, True])
@pytest.mark.parametrize("separator", ["-", "_"])
def test_identity_survives_an_edited_request(make_stage: MakeStage, is_edited: bool, separator: str) -> None:
    plugins: list[object] = [Authenticating(WHO, KEY)]
    if is_edited:
        plugins.append(Editing(method="PUT"))
    stage = make_stage(plugins=plugins)
    forged = [(name.replace("-", separator), "forged") for name in IDENTITY]
    request = forward(stage, request_bytes(headers=[("User-Agent", "x86_64"), *forged]))
    assert tuple(request.get(name) for name in IDENTITY) == ("c1", "007", "alice", "k1", None)
    assert request.get("User-Agent") == "x86_64"
    assert b"forged" not in request.raw


def test_identity_passes_where_nobody_authenticates(stage: Stage) -> None:
    """Behind another gateway the client's own word is all that there is, as with Kong."""
    request = forward(stage, request_bytes(headers=[("X-Consumer-ID", "c9")]))
    assert request.get("X-Consumer-ID") == "c9"


def test_names_cannot_break_lines() -> None:
    block = IdentityBlocks().of(make_consumer("c1", "b\0c", "a\r\nX-Evil: 1"), None)
    assert block.count(b"\r\n") == 4
    assert b"\0" not in block


def test_identities_are_remembered_for_the_very_objects() -> None:
    blocks = IdentityBlocks()
    alice, key = make_consumer("c1", "alice"), make_credential("k1", "keyauth_credentials", "c1")
    block = blocks.of(alice, key)
    renamed = make_consumer("c1", "alicia")

    assert blocks.of(alice, key) is block
    assert b"X-Consumer-Username: alicia" in blocks.of(renamed, key)
    assert b"X-Consumer-Username: alice" in blocks.of(alice, key)


def test_the_memory_of_identities_is_bounded() -> None:
    blocks = IdentityBlocks(most=2)
    alice = make_consumer("c1", "alice")
    for number in range(5):
        key = make_credential(f"k{number}", "keyauth_credentials", "c1")
        assert f"X-Credential-Identifier: k{number}".encode() in blocks.of(alice, key)
        assert len(blocks) <= 2


class Editing:
    """A plugin that changes what it is told to."""

    def __init__(self, **changes: Any) -> None:
        self._changes = changes

    def access(self, ctx: Any) -> None:
        for name, value in self._changes.items():
            setattr(ctx.upstream, name, value)


@pytest.mark.parametrize(
    ("changes", "line", "host"),
    [
        ({"method": "put"}, "PUT /a?b=1 HTTP/1.1", "10.1.1.1"),
        ({"path": "/c/%20d"}, "GET /c/%20d?b=1 HTTP/1.1", "10.1.1.1"),
        ({"query": "x=y"}, "GET /a?x=y HTTP/1.1", "10.1.1.1"),
        ({"query": None}, "GET /a HTTP/1.1", "10.1.1.1"),
        ({"query": ""}, "GET /a? HTTP/1.1", "10.1.1.1"),
        ({"host": "other.test"}, "GET /a?b=1 HTTP/1.1", "other.test"),
    ],
)
def test_edited_request(make_stage: MakeStage, changes: dict[str, Any], line: str, host: str) -> None:
    request = forward(make_stage(plugins=[Editing(**changes)]), request_bytes(target="/a?b=1"))
    assert (request.start_line, request.get("Host")) == (line, host)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": ""},
        {"method": "GET /evil HTTP/1.1\r\n"},
        {"path": "evil"},
        {"path": "/a b"},
        {"path": "/a\tb"},
        {"path": "/a\r\nX: y"},
        {"path": "/\0"},
        {"query": "a b"},
        {"query": "a\tb"},
        {"query": "a\r\nX: y"},
        {"host": ""},
        {"host": "a b"},
        {"host": "a\r\nX: y"},
    ],
)
def test_edit_that_would_break_the_request(make_stage: MakeStage, changes: dict[str, Any]) -> None:
    stage = make_stage(plugins=[Editing(**changes)])
    client = stage.connect()
    client.send(request_bytes(target="/a?b=1"))
    assert client.read_response().status == 500
    assert not stage.is_dialling
    stage.bugs.clear()


def test_plugin_chooses_the_target(make_stage: MakeStage) -> None:
    class Choosing:
        def access(self, ctx: Any) -> None:
            ctx.upstream.set_target("10.9.9.9", 99)

    stage = make_stage(plugins=[Choosing()])
    stage.connect().send(request_bytes())
    assert stage.dialled_address() == ("10.9.9.9", 99)
    assert stage.accept().read_request().get("Host") == "10.9.9.9:99"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"a.test", (b"a.test", None)),
        (b"A.Test:80", (b"a.test", 80)),
        (b"[::1]", (b"[::1]", None)),
        (b"[::1]:81", (b"[::1]", 81)),
        (b"a.test:", (b"a.test", None)),
        (b"a.test:x", (b"a.test", None)),
        (b"a.test:123456", (b"a.test", None)),
        (b"[::1", (b"[::1]", None)),
        (b"", (b"", None)),
    ],
)
def test_split_host(host: bytes, expected: tuple[bytes, int | None]) -> None:
    assert split_host(host) == expected


@pytest.mark.parametrize(
    ("host", "name"),
    [(b"a.test:443", "a.test"), (b"10.0.0.1", None), (b"[::1]:443", None), (b"A.Test", "a.test")],
)
def test_server_name(host: bytes, name: str | None) -> None:
    assert server_name(host) == name
