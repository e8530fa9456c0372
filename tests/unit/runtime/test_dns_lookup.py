"""Which questions are asked for a name, and what the answers come to, against a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import dns.rcode
import pytest

from dbless_gateway.runtime.dns_answer import Answer, Record
from dbless_gateway.runtime.dns_lookup import EMPTY, RECURSION, Lookup
from dbless_gateway.runtime.resolver_options import ResolverOptions
from tests.support.dns_server import DnsServer, dns_server

Zone = dict[tuple[str, str], list[str]]
NAME_ERROR = "dns server error: 3 name error"


def look_up(name: str, zone: Zone, last_kind: str | None = None, **options: Any) -> tuple[Answer, DnsServer]:
    """Resolve once; options named ``server_...`` are set on the server."""

    async def main() -> tuple[Answer, DnsServer]:
        async with dns_server(over_tcp="server_is_truncating" in options) as server:
            server.zone = zone
            for option in [option for option in options if option.startswith("server_")]:
                setattr(server, option.removeprefix("server_"), options.pop(option))
            fields: dict[str, Any] = {
                "nameservers": (server.address,),
                "timeout_s": 30.0,  # far longer than an answer takes, however busy the machine is
                "attempts": 1,
            } | options
            return await Lookup(ResolverOptions(**fields)).resolve(name, last_kind), server

    return asyncio.run(main())


def addresses(answer: Answer) -> list[tuple[str, int, int | None]]:
    """Return (ip, port, weight), sorted."""
    return sorted((record.ip, record.port, record.weight or 0) for record in answer.records)


SRV_ZONE: Zone = {
    ("svc.test", "SRV"): ["10 5 8001 one.test.", "10 0 8002 two.test.", "20 9 9999 backup.test."],
    ("one.test", "A"): ["10.0.0.1"],
    ("two.test", "A"): ["10.0.0.2", "10.0.0.3"],
    ("backup.test", "A"): ["10.0.0.9"],
}

CASES: list[tuple[str, str, Zone, dict[str, Any], str, list[str]]] = [
    ("plain address", "a.test", {("a.test", "A"): ["10.0.0.1"]}, {}, "A", ["10.0.0.1"]),
    (
        "alias in the answer",
        "a.test",
        {("a.test", "CNAME"): ["b.test."], ("b.test", "A"): ["10.0.0.2"]},
        {},
        "A",
        ["10.0.0.2"],
    ),
    (
        "alias not followed by the server",
        "a.test",
        {("a.test", "CNAME"): ["b.test."], ("b.test", "A"): ["10.0.0.2"]},
        {"server_follows_aliases": False},
        "A",
        ["10.0.0.2"],
    ),
    ("AAAA is not asked for by default", "a.test", {("a.test", "AAAA"): ["::1"]}, {}, "", []),
    (
        "AAAA when asked for",
        "a.test",
        {("a.test", "AAAA"): ["::1"]},
        {"order": ("A", "AAAA")},
        "AAAA",
        ["::1"],
    ),
    (
        "order decides",
        "a.test",
        {("a.test", "AAAA"): ["::1"], ("a.test", "A"): ["10.0.0.1"]},
        {"order": ("AAAA", "A")},
        "AAAA",
        ["::1"],
    ),
    (
        "few dots: search list first",
        "db",
        {("db.one.test", "A"): ["10.0.0.1"], ("db", "A"): ["10.0.0.9"]},
        {"search": ("one.test",)},
        "A",
        ["10.0.0.1"],
    ),
    (
        "search list in order",
        "db",
        {("db.two.test", "A"): ["10.0.0.2"]},
        {"search": ("one.test", "two.test")},
        "A",
        ["10.0.0.2"],
    ),
    (
        "enough dots: the name itself first",
        "db.x",
        {("db.x.one.test", "A"): ["10.0.0.1"], ("db.x", "A"): ["10.0.0.9"]},
        {"search": ("one.test",)},
        "A",
        ["10.0.0.9"],
    ),
    (
        "ndots counts",
        "db.x",
        {("db.x.one.test", "A"): ["10.0.0.1"], ("db.x", "A"): ["10.0.0.9"]},
        {"search": ("one.test",), "ndots": 5},
        "A",
        ["10.0.0.1"],
    ),
    (
        "final dot: no search",
        "db.",
        {("db.one.test", "A"): ["10.0.0.1"], ("db", "A"): ["10.0.0.9"]},
        {"search": ("one.test",)},
        "A",
        ["10.0.0.9"],
    ),
    (
        "hosts file wins",
        "a.test",
        {("a.test", "A"): ["10.0.0.1"]},
        {"hosts": {"a.test": ("10.9.9.9", "::9")}},
        "A",
        ["10.9.9.9"],
    ),
    ("hosts file with IPv6 only", "A.test", {}, {"hosts": {"a.test": ("::9",)}}, "AAAA", ["::9"]),
    ("localhost is always there", "localhost", {}, {}, "A", ["127.0.0.1"]),
    (
        "self-referencing SRV is ignored",
        "a.test",
        {("a.test", "SRV"): ["0 0 80 a.test."], ("a.test", "A"): ["10.0.0.1"]},
        {},
        "A",
        ["10.0.0.1"],
    ),
]


@pytest.mark.parametrize(
    ("name", "zone", "options", "kind", "ips"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_outcome(name: str, zone: Zone, options: dict[str, Any], kind: str, ips: list[str]) -> None:
    answer, _ = look_up(name, zone, **options)
    assert kind == answer.kind
    assert ips == sorted(record.ip for record in answer.records)
    assert (answer.error is None) == bool(ips)


def test_srv_gives_ports_and_shared_weights_of_the_best_priority() -> None:
    answer, _ = look_up("svc.test", SRV_ZONE)
    assert answer.kind == "SRV"
    assert addresses(answer) == [("10.0.0.1", 8001, 5), ("10.0.0.2", 8002, 1), ("10.0.0.3", 8002, 1)]
    assert {record.name for record in answer.records} == {"one.test", "two.test"}


def test_srv_host_from_the_hosts_file_and_one_that_does_not_resolve() -> None:
    zone: Zone = {("svc.test", "SRV"): ["1 1 81 known.test.", "1 1 82 unknown.test."]}
    answer, _ = look_up("svc.test", zone, hosts={"known.test": ("10.0.0.7",)})
    assert answer.records == (Record("10.0.0.7", "known.test", 81, 1),)


def test_srv_whose_hosts_do_not_resolve_is_like_no_srv() -> None:
    answer, _ = look_up("svc.test", {("svc.test", "SRV"): ["1 1 81 unknown.test."]})
    assert answer.records == ()
    assert answer.missing


@pytest.mark.parametrize(
    ("zone", "options", "error", "missing"),
    [
        ({}, {}, NAME_ERROR, True),
        ({("a.test", "TXT"): ["x"]}, {}, EMPTY, True),
        ({}, {"server_rcode": dns.rcode.SERVFAIL}, "dns server error: 2 server failure", False),
        ({}, {"server_rcode": dns.rcode.REFUSED}, "dns server error: 5 refused", False),
        ({("a.test", "CNAME"): ["b.test."], ("b.test", "CNAME"): ["a.test."]}, {}, RECURSION, False),
        (
            {("a.test", "CNAME"): ["b.test."], ("b.test", "CNAME"): ["a.test."]},
            {"server_follows_aliases": False},
            RECURSION,
            False,
        ),
    ],
    ids=["unknown", "empty", "failing", "refusing", "loop", "loop in steps"],
)
def test_failures(zone: Zone, options: dict[str, Any], error: str, missing: bool) -> None:
    answer, _ = look_up("a.test", zone, **options)
    assert (answer.error, answer.missing, answer.records) == (error, missing, ())


def test_silent_server() -> None:
    answer, _ = look_up("a.test", {}, server_is_silent=True, timeout_s=0.1)
    assert answer.error is not None
    assert "Timeout" in answer.error
    assert not answer.missing


@pytest.mark.parametrize("name", ["x" * 64 + ".test", "a..test"])
def test_impossible_names(name: str) -> None:
    answer, server = look_up(name, {})
    assert answer.missing
    assert not server.asked


def test_a_failing_server_ends_the_questions() -> None:
    _, server = look_up("a.test", {}, server_rcode=dns.rcode.SERVFAIL)
    assert sum(server.asked.values()) == 1


def test_the_type_that_succeeded_last_is_asked_for_first() -> None:
    _, server = look_up("a.test", {("a.test", "A"): ["10.0.0.1"]}, last_kind="A")
    assert dict(server.asked) == {("a.test", "A"): 1}


def test_time_to_live_is_the_shortest_on_the_way() -> None:
    answer, _ = look_up("a.test", {("a.test", "A"): ["10.0.0.1"]}, server_ttl_s=7)
    assert answer.ttl_s == 7


def test_a_server_on_ipv6() -> None:
    async def main() -> Answer:
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(DnsServer, local_addr=("::1", 0))
        server.zone = {("a.test", "A"): ["10.0.0.1"]}
        try:
            options = ResolverOptions(nameservers=(server.address,), timeout_s=30)
            return await Lookup(options).resolve("a.test", None)
        finally:
            transport.close()

    assert [record.ip for record in asyncio.run(main()).records] == ["10.0.0.1"]


def test_a_truncated_answer_is_asked_for_again_over_tcp() -> None:
    answer, server = look_up(
        "a.test", {("a.test", "A"): ["10.0.0.1"]}, server_is_truncating=True, order=("A",)
    )
    assert [record.ip for record in answer.records] == ["10.0.0.1"]
    assert server.asked["a.test", "A"] == 2
