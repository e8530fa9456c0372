"""Where the node can be reached: the sockets that workers accept from, and the Admin and Status APIs.

The APIs answer from the moment they are open, so that probes are told of a start that takes a while; the
workers' addresses are taken at once, and refuse connections until ``start_accepting``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from dbless_gateway.admin.api import ADMIN_API, STATUS_API, Api, Endpoint
from dbless_gateway.admin.commands import Commands
from dbless_gateway.admin.server import AdminServer
from dbless_gateway.server.activation import PassedSockets
from dbless_gateway.server.listen import Listen
from dbless_gateway.server.listeners import Listener, ListenError, bind_all
from dbless_gateway.server.options import ServerSettings
from dbless_gateway.server.self_signed import self_signed_pairs
from dbless_gateway.snapshot.certificates import server_context
from dbless_gateway.snapshot.key_pairs import KeyPair


class Entrances:
    """See the module."""

    def __init__(self, settings: ServerSettings, commands: Commands) -> None:
        self.listeners: list[Listener] = []  # of the workers
        self.addresses: dict[str, str] = {}  # as bound, by kind of listener
        self._settings = settings
        self._commands = commands
        self._passed = PassedSockets()
        self._servers: list[AdminServer] = []
        self._self_signed: tuple[KeyPair, ...] | None = None

    async def open(self) -> None:
        """Take every address; raises ``ListenError`` when one cannot be had."""
        settings = self._settings
        self._passed = PassedSockets.of(os.environ)
        self.listeners = bind_all(settings.proxy_listens, settings.workers, self._passed)
        self._note_addresses("proxy", self.listeners)
        await self._open_api("admin", settings.admin_listens, ADMIN_API)
        await self._open_api("status", settings.status_listens, STATUS_API)
        if left := self._passed.left():
            raise ListenError(f"no *_listen setting names what systemd listens on: {', '.join(left)}")

    async def _open_api(self, name: str, listens: Sequence[Listen], table: Sequence[Endpoint]) -> None:
        api = Api(table, self._commands, is_protected=name == "admin")
        server = AdminServer(api.answer, f"kong/{self._settings.proxy.version}")
        self._servers.append(server)
        listeners = bind_all(listens, 1, self._passed)
        self._note_addresses(name, listeners)
        for listener in listeners:
            tls = None
            if listener.listen.ssl:
                tls = server_context(self._settings.tls[name], await self.default_pairs(name))
            await server.start(listener.sockets, listener.listen.backlog, tls)

    def _note_addresses(self, name: str, listeners: Sequence[Listener]) -> None:
        if listeners:
            self.addresses[name] = ",".join(listener.address for listener in listeners)

    async def default_pairs(self, kind: str) -> tuple[KeyPair, ...]:
        """Return the certificates that listeners of this kind show by default."""
        given = self._settings.default_pairs.get(kind)
        if given is not None:
            return given
        if self._self_signed is None:
            self._self_signed = await asyncio.to_thread(self_signed_pairs)
        return self._self_signed

    def start_accepting(self) -> None:
        """Let clients connect to the workers."""
        for listener in self.listeners:
            listener.start()

    def stop_accepting(self) -> None:
        """Let go of the workers' sockets; they take what is queued and then close the last hold of each."""
        for listener in self.listeners:
            listener.close()

    async def close(self) -> None:
        """Close everything, whatever has been opened."""
        for server in self._servers:
            await server.close()
        self.stop_accepting()
        self._passed.close()
