"""A small real DNS server on loopback, over UDP and TCP, whose zone a test can change at any time.

Names are lower case without the final dot. A name that is not in the zone does not exist (NXDOMAIN); one that
is there without records of the asked type gets an empty answer. An alias is answered together with what it
points to, as recursive servers do, unless ``follows_aliases`` is off.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset


class DnsServer(asyncio.DatagramProtocol):
    """``zone`` maps (name, type) to record texts; ``asked`` counts the questions."""

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.ttl_s = 60
        self.rcode = dns.rcode.NOERROR  # anything else is answered to every question
        self.is_silent = False
        self.is_truncating = False  # over UDP, so that clients come back over TCP
        self.follows_aliases = True
        self.asked: Counter[tuple[str, str]] = Counter()
        self._question_came = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        # uvloop's transport satisfies the interface without inheriting it.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a question."""
        response = self.respond(data)
        if self.is_truncating:
            response.answer.clear()
            response.flags |= dns.flags.TC
        if not self.is_silent:
            self._transport.sendto(response.to_wire(), addr)

    async def serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question over TCP."""
        size = int.from_bytes(await reader.readexactly(2), "big")
        response = self.respond(await reader.readexactly(size)).to_wire()
        writer.write(len(response).to_bytes(2, "big") + response)
        writer.close()

    def respond(self, data: bytes) -> dns.message.Message:
        """Return the answer to a question."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        self._question_came.set()
        return self._answer(query, name, kind)

    async def question(self) -> None:
        """Wait for the next question."""
        self._question_came.clear()
        await self._question_came.wait()

    def _answer(self, query: dns.message.Message, name: str, kind: str) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=True)
        response.set_rcode(self.rcode)
        if self.rcode != dns.rcode.NOERROR:
            return response
        if not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        seen: set[str] = set()
        while name not in seen:
            seen.add(name)
            texts = self.zone.get((name, kind))
            alias = self.zone.get((name, "CNAME"))
            if texts:
                response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl_s, "IN", kind, *texts))
            elif alias:
                response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl_s, "IN", "CNAME", *alias))
                if self.follows_aliases:
                    name = alias[0].rstrip(".")
        return response


@asynccontextmanager
async def dns_server(*, over_tcp: bool = False) -> AsyncIterator[DnsServer]:
    """Run a server on a free port; ``over_tcp`` as well, on the port of the same number."""
    loop = asyncio.get_running_loop()
    stream: asyncio.Server | None = None
    while True:
        transport, server = await loop.create_datagram_endpoint(DnsServer, local_addr=("127.0.0.1", 0))
        if not over_tcp:
            break
        try:
            stream = await asyncio.start_server(server.serve_stream, *server.address)
            break
        except OSError:  # Another program has that port of TCP.
            transport.close()
    try:
        yield server
    finally:
        transport.close()
        if stream is not None:
            stream.close()
            await stream.wait_closed()
