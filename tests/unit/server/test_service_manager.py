from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dbless_gateway.server.service_manager import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    """A datagram socket such as systemd's, and the environment that names it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        if request.param == "path":
            sock.bind(str(tmp_path / "notify"))
            name = str(tmp_path / "notify")
        else:
            sock.bind("")  # The kernel chooses an abstract address.
            name = "@" + sock.getsockname()[1:].decode()
        sock.settimeout(10)
        yield sock, {"NOTIFY_SOCKET": name}


def test_says_what_systemd_expects(manager: tuple[socket.socket, dict[str, str]]) -> None:
    sock, environ = manager
    told = ServiceManager(environ)
    told.ready("serving abc")
    assert sock.recv(1000) == b"READY=1\nSTATUS=serving abc"
    told.reloading()
    assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", sock.recv(1000))
    told.stopping()
    assert sock.recv(1000).startswith(b"STOPPING=1\n")


def test_the_watchdog_is_fed_while_it_lives(manager: tuple[socket.socket, dict[str, str]]) -> None:
    sock, environ = manager
    told = ServiceManager(environ | {"WATCHDOG_USEC": "2000"})
    answers = iter([True, False, True])

    def is_alive() -> bool:
        answer = next(answers, None)
        if answer is None:
            raise asyncio.CancelledError
        return answer

    with suppress(asyncio.CancelledError):
        asyncio.run(told.keep_alive(is_alive))
    sock.setblocking(False)
    assert [sock.recv(100), sock.recv(100)] == [b"WATCHDOG=1", b"WATCHDOG=1"]
    with pytest.raises(BlockingIOError):
        sock.recv(100)


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    told = ServiceManager(environ)
    told.ready("x")
    asyncio.run(told.keep_alive(lambda: True))
