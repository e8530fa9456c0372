"""An event loop that has no network.

What the gateway dials ends at the targets of the rehearsal. Everything else that would leave the process (a
plugin's request to Redis, to a log server, a name to be resolved) fails at once, as on a machine whose cable
is unplugged; what plugins make of that is theirs to decide, as it is in production.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from dbless_gateway.proxy.upstream import TargetConnection
from dbless_gateway.rehearsal.targets import Targets


class IsolatedLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self, targets: Targets) -> None:
        super().__init__()
        self._targets = targets

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        """Connect to a target, or fail."""
        protocol = protocol_factory()
        if not isinstance(protocol, TargetConnection):
            raise _unplugged(host, port)
        wire = self._targets.connect(
            protocol, host, port, options.get("server_hostname"), tls=options.get("ssl") is not None
        )
        return wire, protocol

    async def create_unix_connection(
        self, protocol_factory: Callable[[], Any], path: Any = None, **options: Any
    ) -> NoReturn:
        """Fail."""
        raise _unplugged(path, None)

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], Any],
        local_addr: Any = None,
        remote_addr: Any = None,
        **options: Any,
    ) -> NoReturn:
        """Fail."""
        raise _unplugged(remote_addr, None)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> NoReturn:
        """Fail."""
        raise _unplugged(host, port)


def _unplugged(host: object, port: object) -> OSError:
    address = host if port is None else f"{host}:{port}"
    return ConnectionRefusedError(f"{address}: there is no network in a rehearsal")
