"""One resolution of one name: which questions are asked, and what the answers mean.

The types of ``dns_order`` are tried in order, each over the search list, until something is found. "There is
nothing" (NXDOMAIN or an empty answer) leads to the next question; a server that fails or says nothing ends
the resolution. The rules are those of Kong's default client. Nothing is remembered here except which type a
name answered to last, which the caller passes in.

An SRV answer is followed to addresses at once. Expected trouble travels as ``LookupFailed`` inside this
module and leaves it as an ``Answer`` with an error.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rdtypes.IN.SRV
import dns.rrset

from dbless_gateway.runtime.dns_answer import Answer, Record
from dbless_gateway.runtime.resolver_options import ResolverOptions
from dbless_gateway.runtime.turnstile import Turnstile

EMPTY = "dns client error: 101 empty record received"
RECURSION = "recursion detected"
_RCODE_TEXTS = {1: "format error", 2: "server failure", 3: "name error", 4: "not implemented", 5: "refused"}
# Alias upon alias: real zones use two or three.
_ALIASES_MAX = 8
# The hosts file does not change while we run.
_HOSTS_TTL_S = 10 * 365 * 86400.0


class LookupFailed(Exception):
    """A question came to nothing."""

    def __init__(self, error: str, *, missing: bool) -> None:
        super().__init__(error)
        self.error = error
        self.missing = missing  # nothing there, as opposed to: nobody answered


class Lookup:
    """Resolves names with the given options."""

    def __init__(self, options: ResolverOptions) -> None:
        self._options = options
        self._backend: Any = dns.asyncbackend.get_backend("asyncio")
        # A question costs about 0.3 ms, and thousands of names may be asked for at the same time.
        self._turnstile = Turnstile()

    async def resolve(self, name: str, last_kind: str | None) -> Answer:
        """Return what is known about ``name`` right now; ``last_kind`` is the type that succeeded before."""
        addresses = self._options.hosts.get(name.rstrip(".").lower())
        if addresses:
            return self._from_hosts(name, addresses)
        try:
            return await self._search(name, self._kinds(last_kind))
        except LookupFailed as failure:
            return Answer("", (), 0.0, failure.error, failure.missing)

    def _from_hosts(self, name: str, addresses: Sequence[str]) -> Answer:
        v4 = [ip for ip in addresses if ":" not in ip]
        by_kind = {"A": v4, "AAAA": [ip for ip in addresses if ":" in ip]}
        # A name that only has addresses of a type not asked for is still better than none.
        kind = next(kind for kind in (*self._options.order, "A", "AAAA") if by_kind.get(kind))
        return Answer(kind, tuple(Record(ip, name, 0, None) for ip in by_kind[kind]), _HOSTS_TTL_S)

    def _kinds(self, last_kind: str | None) -> list[str]:
        kinds = [last_kind if kind == "LAST" else kind for kind in self._options.order]
        return list(dict.fromkeys(kind for kind in kinds if kind))

    def _candidates(self, name: str) -> Iterator[dns.name.Name]:
        """Yield the absolute names that ``name`` may mean, in the order of resolv.conf(5)."""
        if name.endswith("."):
            yield dns.name.from_text(name)
            return
        searched = [dns.name.from_text(f"{name}.{domain}.") for domain in self._options.search]
        absolute = dns.name.from_text(f"{name}.")
        if name.count(".") >= self._options.ndots:
            yield absolute
            yield from searched
        else:
            yield from searched
            yield absolute

    async def _search(self, name: str, kinds: Sequence[str]) -> Answer:
        try:
            candidates = list(self._candidates(name))
        except dns.exception.DNSException as error:
            raise LookupFailed(f"dns client error: {error}", missing=True) from error
        failure = LookupFailed(EMPTY, missing=True)
        for kind in kinds:
            for candidate in candidates:
                try:
                    return await self._find(candidate, kind, name)
                except LookupFailed as found_nothing:
                    if not found_nothing.missing:
                        raise
                    failure = found_nothing
        raise failure

    async def _find(self, name: dns.name.Name, kind: str, asked: str) -> Answer:
        """Ask for one type of one absolute name."""
        if kind == "SRV":
            return await self._find_services(name)
        if kind == "CNAME":
            return await self._find_alias(name, asked)
        rrset, ttl_s = await self._ask(name, kind)
        return Answer(kind, tuple(Record(_address(item), asked, 0, None) for item in rrset), ttl_s)

    async def _find_alias(self, name: dns.name.Name, asked: str) -> Answer:
        # Servers that follow aliases have answered the question for addresses already; this is for those that
        # do not.
        rrset, ttl_s = await self._ask(name, "CNAME")
        target: dns.name.Name = rrset[0].target
        found = await self._find_address(target, asked)
        return Answer(found.kind, found.records, min(ttl_s, found.ttl_s))

    async def _find_services(self, name: dns.name.Name) -> Answer:
        rrset, ttl_s = await self._ask(name, "SRV")
        # Kubernetes answers a pod's own name with an SRV record that points to itself.
        services = [service for service in map(_service, rrset) if service.target != name]
        best = min((service.priority for service in services), default=0)
        services = [service for service in services if service.priority == best]
        found = await asyncio.gather(*map(self._service_addresses, services), return_exceptions=True)
        answers = [answer for answer in found if isinstance(answer, Answer)]
        if not answers:
            raise next(
                (error for error in found if isinstance(error, BaseException)),
                LookupFailed(EMPTY, missing=True),
            )
        records = tuple(record for answer in answers for record in answer.records)
        return Answer("SRV", records, min(ttl_s, *(answer.ttl_s for answer in answers)))

    async def _service_addresses(self, service: dns.rdtypes.IN.SRV.SRV) -> Answer:
        """Return the addresses of one SRV record, with its port and weight."""
        host = service.target.to_text(omit_final_dot=True)
        known = self._options.hosts.get(host.lower())
        found = self._from_hosts(host, known) if known else await self._find_address(service.target, host)
        # Weight 0 counts as 1; several addresses of one host share the weight of its record.
        weight = max(1, max(1, service.weight) // len(found.records))
        records = tuple(Record(record.ip, host, service.port, weight) for record in found.records)
        return Answer("SRV", records, found.ttl_s)

    async def _find_address(self, name: dns.name.Name, asked: str) -> Answer:
        failure = LookupFailed(EMPTY, missing=True)
        for kind in [kind for kind in self._options.order if kind in ("A", "AAAA")] or ["A"]:
            try:
                return await self._find(name, kind, asked)
            except LookupFailed as found_nothing:
                if not found_nothing.missing:
                    raise
                failure = found_nothing
        raise failure

    async def _ask(self, name: dns.name.Name, kind: str) -> tuple[dns.rrset.RRset, float]:
        """Return the records of that type and their time to live, following aliases."""
        ttl_s = float("inf")
        for _ in range(_ALIASES_MAX):
            response = await self._exchange(dns.message.make_query(name, kind))
            try:
                chain = response.resolve_chaining()
            except dns.exception.DNSException as error:
                raise LookupFailed(RECURSION, missing=False) from error
            ttl_s = min(ttl_s, float(chain.minimum_ttl))
            if chain.answer is not None:
                return chain.answer, ttl_s
            if chain.canonical_name == name:
                rcode = int(response.rcode())
                raise LookupFailed(_rcode_error(rcode) if rcode else EMPTY, missing=True)
            name = chain.canonical_name
        raise LookupFailed(RECURSION, missing=False)

    async def _exchange(self, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
        """Return the first response that says something, from any server."""
        error = "dns client error: no name server answered"
        for _ in range(self._options.attempts):
            for host, port in self._options.nameservers:
                await self._turnstile.passed()
                try:
                    response = await self._ask_server(query, host, port)
                except (OSError, dns.exception.DNSException, EOFError) as failure:
                    error = f"dns client error: {type(failure).__name__} from {host}:{port}"
                    continue
                if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    return response
                error = _rcode_error(int(response.rcode()))
        raise LookupFailed(error, missing=False)

    async def _ask_server(
        self, query: dns.message.QueryMessage, host: str, port: int
    ) -> dns.message.QueryMessage:
        # What is not an answer to this question is ignored, not believed to end it: anyone can send a
        # datagram.
        async with await self._open_socket(host) as sock:
            response, _ = await dns.asyncquery.udp_with_fallback(
                query,
                host,
                self._options.timeout_s,
                port,
                ignore_unexpected=True,
                udp_sock=sock,
                backend=self._backend,
                ignore_errors=True,
            )
        assert isinstance(response, dns.message.QueryMessage)
        return response

    async def _open_socket(self, host: str) -> Any:
        """Open a socket that is closed even if we are cancelled in the middle of opening it."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opening = asyncio.ensure_future(self._backend.make_socket(family, socket.SOCK_DGRAM))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            await (await opening).close()
            raise


def _rcode_error(rcode: int) -> str:
    return f"dns server error: {rcode} {_RCODE_TEXTS.get(rcode, 'unknown')}"


def _service(item: object) -> dns.rdtypes.IN.SRV.SRV:
    assert isinstance(item, dns.rdtypes.IN.SRV.SRV)
    return item


def _address(item: object) -> str:
    assert isinstance(item, dns.rdtypes.IN.A.A | dns.rdtypes.IN.AAAA.AAAA)
    return str(item.address)
