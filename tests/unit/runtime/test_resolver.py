"""The resolver against a real server: refreshing, stale answers, negative answers, sharing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import dns.rcode
import pytest
import uvloop

from dbless_gateway.runtime.resolver import Resolver, Watch
from dbless_gateway.runtime.resolver_options import ResolverOptions
from tests.support.dns_server import DnsServer, dns_server

# Far longer than an answer takes here, however busy the machine is.
ANSWER_S = 30.0

Scenario = Callable[[DnsServer, Resolver], Awaitable[None]]


def play(scenario: Scenario, **options: Any) -> None:
    """Run a scenario with a server and a resolver that asks it, on the loop that workers use."""

    async def main() -> None:
        async with dns_server() as server:
            fields: dict[str, Any] = {"nameservers": (server.address,), "timeout_s": ANSWER_S, "attempts": 1}
            resolver = Resolver(ResolverOptions(**(fields | options)))
            try:
                await asyncio.wait_for(scenario(server, resolver), 60)
            finally:
                await resolver.close()

    uvloop.run(main())


class Changes:
    """Counts the calls of a watch."""

    def __init__(self, resolver: Resolver, name: str) -> None:
        self._changed = asyncio.Event()
        self.count = 0
        self.watch: Watch = resolver.watch(name, self._note)

    def _note(self) -> None:
        self.count += 1
        self._changed.set()

    async def next(self) -> None:
        """Wait for a change."""
        await self._changed.wait()
        self._changed.clear()

    async def until(self, *ips: str) -> None:
        """Wait until these addresses are in use."""
        while self.ips != list(ips):
            await self.next()

    @property
    def ips(self) -> list[str]:
        """The addresses in use."""
        answer = self.watch.answer
        return sorted(record.ip for record in answer.records) if answer else []

    @property
    def error(self) -> str | None:
        """The error in use."""
        return self.watch.answer.error if self.watch.answer else None


def test_first_answer_is_told() -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.zone["a.test", "A"] = ["10.0.0.2", "10.0.0.1"]
        changes = Changes(resolver, "a.test")
        assert changes.watch.answer is None
        await changes.next()
        assert changes.ips == ["10.0.0.1", "10.0.0.2"]

    play(scenario)


def test_changed_records_are_told_within_the_ttl_without_traffic() -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1"]
        changes = Changes(resolver, "a.test")
        await changes.next()
        server.zone["a.test", "A"] = ["10.0.0.2"]
        await changes.next()
        assert changes.ips == ["10.0.0.2"]

    play(scenario, valid_ttl_s=0.02)


def test_rotated_records_are_no_change() -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1", "10.0.0.2"]
        changes = Changes(resolver, "a.test")
        await changes.next()
        server.zone["a.test", "A"] = ["10.0.0.2", "10.0.0.1"]
        for _ in range(3):
            await server.question()
        assert changes.count == 1

    play(scenario, valid_ttl_s=0.02)


@pytest.mark.parametrize("is_silent", [True, False], ids=["silent", "failing"])
def test_last_answer_serves_while_the_servers_fail(is_silent: bool) -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1"]
        changes = Changes(resolver, "a.test")
        await changes.until("10.0.0.1")
        fail(server, is_silent=is_silent)
        count = changes.count
        for _ in range(3):
            await server.question()
        assert (changes.ips, changes.count) == (["10.0.0.1"], count)

    play(scenario, valid_ttl_s=0.02, stale_ttl_s=3600, error_ttl_s=0.01, timeout_s=0.05)


@pytest.mark.parametrize("is_silent", [True, False], ids=["silent", "failing"])
def test_last_answer_is_given_up_in_the_end_and_comes_back(is_silent: bool) -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1"]
        changes = Changes(resolver, "a.test")
        await changes.until("10.0.0.1")
        fail(server, is_silent=is_silent)
        await changes.until()
        assert changes.error is not None
        # It comes back by itself.
        server.is_silent, server.rcode = False, dns.rcode.NOERROR
        await changes.until("10.0.0.1")

    play(scenario, valid_ttl_s=0.02, stale_ttl_s=0.1, error_ttl_s=0.01, timeout_s=0.05)


def fail(server: DnsServer, *, is_silent: bool) -> None:
    """Let a server answer no more, or only that it cannot."""
    server.is_silent = is_silent
    server.rcode = dns.rcode.NOERROR if is_silent else dns.rcode.SERVFAIL


def test_a_name_that_is_gone_is_dropped_at_once_and_found_again() -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1"]
        changes = Changes(resolver, "a.test")
        await changes.next()
        del server.zone["a.test", "A"]
        await changes.next()
        assert changes.error == "dns server error: 3 name error"
        assert changes.watch.answer is not None
        assert changes.watch.answer.missing
        server.zone["a.test", "A"] = ["10.0.0.3"]
        await changes.next()
        assert changes.ips == ["10.0.0.3"]

    play(scenario, valid_ttl_s=0.02, not_found_ttl_s=0.02)


def test_watchers_of_a_name_share_its_resolution() -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1"]
        parties = [Changes(resolver, name) for name in ("a.test", "A.test", "a.test")]
        for party in parties:
            await party.next()
            assert party.ips == ["10.0.0.1"]
        assert server.asked["a.test", "A"] == 1

    play(scenario)


def test_nobody_watching_means_no_more_questions() -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1"]
        server.zone["b.test", "A"] = ["10.0.0.1"]
        gone, kept = Changes(resolver, "a.test"), Changes(resolver, "b.test")
        await gone.next()
        await kept.next()
        gone.watch.close()
        gone.watch.close()
        # What was on its way to the server comes before the second question from now on.
        await asked_again(server, "b.test", 2)
        asked = server.asked["a.test", "A"]
        await asked_again(server, "b.test", 3)
        assert server.asked["a.test", "A"] == asked
        # A closed watch does no harm to a later one of the same name.
        again = Changes(resolver, "a.test")
        gone.watch.close()
        await again.next()
        assert again.ips == ["10.0.0.1"]

    play(scenario, valid_ttl_s=0.02)


async def asked_again(server: DnsServer, name: str, times: int) -> None:
    """Wait for so many more questions for a name."""
    until = server.asked[name, "A"] + times
    while server.asked[name, "A"] < until:
        await server.question()


def test_closing_a_watch_while_being_told_ends_the_refreshing() -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.zone["a.test", "A"] = ["10.0.0.1"]
        told = asyncio.Event()

        def close() -> None:
            watch.close()
            told.set()

        watch = resolver.watch("a.test", close)
        await told.wait()
        other = Changes(resolver, "b.test")
        await other.next()
        for _ in range(3):
            await server.question()
        assert server.asked["a.test", "A"] == 1

    play(scenario, valid_ttl_s=0.01, not_found_ttl_s=0.02)


def test_second_server_answers_when_the_first_is_silent() -> None:
    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        server.is_silent = True
        async with dns_server() as second:
            second.zone["a.test", "A"] = ["10.0.0.9"]
            servers = (server.address, second.address)
            both = Resolver(ResolverOptions(nameservers=servers, timeout_s=0.05, error_ttl_s=0.01))
            changes = Changes(both, "a.test")
            await changes.until("10.0.0.9")
            await both.close()

    play(scenario)


@pytest.mark.parametrize("turns", range(8))
def test_no_socket_is_left_behind_at_any_moment(turns: int) -> None:
    """An unclosed socket would be a warning, and warnings are errors here."""

    async def scenario(server: DnsServer, resolver: Resolver) -> None:
        watch = resolver.watch("a.test", lambda: None)
        for _ in range(turns):
            await asyncio.sleep(0)
        watch.close()
        await resolver.close()

    play(scenario)
    gc.collect()
