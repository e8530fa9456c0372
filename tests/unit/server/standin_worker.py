"""A real worker process around a tiny engine: it answers every request with the text of its configuration.

``/slow?<seconds>`` answers that much later; ``/exit?<code>`` ends the process as a crash would.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Generator, Mapping
from typing import Any

from dbless_gateway.config.entities import Entities
from dbless_gateway.config.slices import Assembler
from dbless_gateway.server.bus import ChannelBus
from dbless_gateway.server.control import Boot
from dbless_gateway.server.engine import Outcome
from dbless_gateway.server.worker import main
from tests.unit.server.standin_loader import a_problem


class StandinEngine:
    """Serves a dict."""

    def __init__(self, boot: Boot, bus: ChannelBus) -> None:
        self.boot = boot
        self.bus = bus
        self.snapshot: dict[str, Any] = {}
        self.requests = 0
        self.busy = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.heard: list[Any] = []
        bus.subscribe("test", self.heard.append)

    def protocol_factory(self, scheme: str, port: int) -> Callable[[], asyncio.BaseProtocol]:
        return lambda: _Answering(self)

    def new_assembler(self) -> Assembler:
        return Assembler()

    def build_steps(self, entities: Entities) -> Generator[None, None, Outcome]:
        yield
        value = entities.vaults[0].config
        if "crash" in value:
            os._exit(int(value["crash"]))
        if value.get("crash_in") == self.boot.index and self.snapshot:
            os._exit(1)
        if value.get("refused_by") == self.boot.index:
            return (a_problem("worker says no"),)
        return value

    def discard(self, snapshot: Any) -> None:
        pass

    def swap(self, snapshot: Any) -> None:
        self.snapshot = snapshot

    def receipt(self) -> Mapping[str, int]:
        return {"dicts_kept": 0}

    def tidy_steps(self) -> Generator[None, None, bool]:
        yield
        return True

    def start_draining(self) -> None:
        pass

    async def drained(self) -> None:
        await self.idle.wait()

    async def close(self) -> None:
        sys.stderr.write(f"closed by {self.boot.index}\n")

    def counts(self) -> Mapping[str, int]:
        return {"total_requests": self.requests}

    def reopen_logs(self) -> None:
        sys.stderr.write(f"reopened by {self.boot.index}\n")


class _Answering(asyncio.Protocol):
    def __init__(self, engine: StandinEngine) -> None:
        self.engine = engine
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        target = data.split(b" ", 2)[1].decode()
        path, _, argument = target.partition("?")
        self.engine.requests += 1
        if path == "/exit":
            os._exit(int(argument))
        if path == "/say":
            self.engine.bus.publish("test", argument)
        if path == "/slow":
            self.engine.busy += 1
            self.engine.idle.clear()
            asyncio.get_running_loop().call_later(float(argument), self.answer, True)
        else:
            self.answer(False)

    def answer(self, was_slow: bool) -> None:
        heard = ",".join(self.engine.heard)
        answer = (
            f"{self.engine.snapshot.get('answer')} {os.getpid()} {self.engine.boot.index} [{heard}]".encode()
        )
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        if was_slow:
            self.engine.busy -= 1
            if self.engine.busy == 0:
                self.engine.idle.set()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], StandinEngine))
