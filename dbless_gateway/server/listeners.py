"""Listening sockets, made by the supervisor and inherited by the workers.

With ``reuseport`` each worker slot has a socket of its own, so the kernel spreads connections and no worker
wakes for another's. The supervisor keeps every socket open as long as it accepts: the queue of a crashed
worker is taken over by its replacement instead of being reset. Without ``reuseport`` all workers share one
socket.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from dbless_gateway.server.activation import PassedSockets
from dbless_gateway.server.listen import Listen


class ListenError(Exception):
    """An address cannot be listened on; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One address with its sockets: one for each worker slot, or a single one for all."""

    listen: Listen
    address: str  # as bound, so with the port that the system chose
    port: int
    sockets: tuple[socket.socket, ...]
    is_passed: bool = False  # bound by systemd, which goes on holding it

    def socket_for(self, slot: int) -> socket.socket:
        """Return the socket that this worker slot accepts from."""
        return self.sockets[slot % len(self.sockets)]

    def start(self) -> None:
        """Let clients connect: before, the address is taken but connections are refused."""
        for sock in self.sockets:
            sock.listen(self.listen.backlog)

    def close(self) -> None:
        """Close this process's hold of the sockets."""
        for sock in self.sockets:
            sock.close()
        if self.listen.path is not None and not self.is_passed:
            with suppress(OSError):
                os.unlink(self.listen.path)


def bind_all(listens: Sequence[Listen], slots: int, passed: PassedSockets | None = None) -> list[Listener]:
    """Bind every address, or none; ``start`` makes them listen. Sockets ``passed`` to us are used as is."""
    bound: list[Listener] = []
    try:
        for listen in listens:
            bound += _bind(listen, slots, passed or PassedSockets())
    except BaseException:
        for listener in bound:
            listener.close()
        raise
    return bound


def _bind(listen: Listen, slots: int, passed: PassedSockets) -> list[Listener]:
    if listen.path is not None:
        return [_bind_path(listen, listen.path, passed)]
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(f"{listen}: {error.strerror}") from None
    # The same address may be found twice, when /etc/hosts names it twice.
    places = {(family, place[:2]): place for family, _, _, _, place in found}
    return [_bind_place(listen, family, place, slots, passed) for (family, _), place in places.items()]


def _bind_path(listen: Listen, path: str, passed: PassedSockets) -> Listener:
    # What is asked for by port (routes, X-Forwarded-Port) sees the port of the scheme.
    port = 443 if listen.ssl else 80
    ready = passed.take(socket.AF_UNIX, path)
    if ready is not None:
        return Listener(listen, str(listen), port, (ready,), is_passed=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        _remove_abandoned(path)
        sock.bind(path)
        # Who may enter the folder may connect, as with nginx.
        os.chmod(path, 0o666)
    except OSError as error:
        sock.close()
        raise ListenError(f"bind() to {listen} failed ({error.errno}: {error.strerror})") from None
    return Listener(listen, str(listen), port, (sock,))


def _remove_abandoned(path: str) -> None:
    """Remove the socket of a gateway that was killed: nobody listens there any more."""
    if not os.path.exists(path) or not stat.S_ISSOCK(os.stat(path).st_mode):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(path) == errno.ECONNREFUSED:
            os.unlink(path)


def _bind_place(
    listen: Listen,
    family: socket.AddressFamily,
    place: tuple[object, ...],
    slots: int,
    passed: PassedSockets,
) -> Listener:
    ready = passed.take(family, str(place[0]), listen.port)
    if ready is not None:
        return Listener(listen, _shown(family, place), listen.port, (ready,), is_passed=True)
    sockets: list[socket.socket] = []
    try:
        for _ in range(slots if listen.reuseport else 1):
            sockets.append(_open(listen, family))
            sockets[-1].bind(place)
            place = sockets[-1].getsockname()  # Port 0 is chosen once and shared by all slots.
        if listen.reuseport:
            _refuse_shared_address(family, place)
    except OSError as error:
        for sock in sockets:
            sock.close()
        reason = os.strerror(error.errno or 0)
        raise ListenError(f"bind() to {listen} failed ({error.errno}: {reason})") from None
    return Listener(listen, _shown(family, place), int(str(place[1])), tuple(sockets))


def _shown(family: socket.AddressFamily, place: tuple[object, ...]) -> str:
    host, port = place[:2]
    return f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"


def _refuse_shared_address(family: socket.AddressFamily, place: tuple[object, ...]) -> None:
    # With reuseport the kernel lets a second gateway of the same user bind as well, and each then gets some
    # of the traffic, which nobody wants. Whoever listens there already is met by connecting; our own sockets
    # do not listen yet.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(place[0]), str(place[0]))
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        if probe.connect_ex((host, *place[1:])) == 0 and probe.getsockname()[:2] != probe.getpeername()[:2]:
            raise OSError(errno.EADDRINUSE, "")


def _open(listen: Listen, family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listen.reuseport:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(listen.ipv6only))
    if listen.deferred:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
    _set_keepalive(sock, listen.so_keepalive)
    return sock


def _set_keepalive(sock: socket.socket, setting: str | None) -> None:
    if setting is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(setting != "off"))
    if ":" not in setting:
        return
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    for option, value in zip(options, setting.split(":"), strict=True):
        if value:
            sock.setsockopt(socket.IPPROTO_TCP, option, int(value))
