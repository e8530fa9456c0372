"""Ports of tests collide neither with a server that listens nor with another test run."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support import ports
from tests.support.ports import PortClaims

FIRST = 20_000
# Python 3.11 has no name for it.
F_OFD_SETLK = 37


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave three ports to choose from, where nothing else of ours looks."""
    monkeypatch.setattr(ports, "FIRST_PORT", FIRST)
    monkeypatch.setattr(ports, "_last_quiet_port", lambda: FIRST + 2)
    monkeypatch.setattr(ports, "_is_free", lambda port: True)


@pytest.mark.usefixtures("narrow")
def test_no_port_is_told_twice(tmp_path: Path) -> None:
    claims = PortClaims(tmp_path / "claims")

    assert sorted(claims.claim(1) + claims.claim(2)) == [FIRST, FIRST + 1, FIRST + 2]
    with pytest.raises(AssertionError, match="no 1 free ports"):
        claims.claim(1)


@pytest.mark.usefixtures("narrow")
def test_the_oldest_claims_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "MAX_CLAIMS", 1)
    claims = PortClaims(tmp_path / "claims")
    told = [claims.claim(1)[0] for _ in range(10)]

    assert all(one != following for one, following in pairwise(told))


@pytest.mark.usefixtures("narrow")
def test_ports_of_another_process_are_left_alone(tmp_path: Path) -> None:
    claims = PortClaims(tmp_path / "claims")
    # Locks of an open file keep out this process as well, as if another one held them.
    with (tmp_path / "claims").open("r+") as other:
        for port in (FIRST, FIRST + 1):
            fcntl.fcntl(other, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, port, 1, 0))

        assert claims.claim(1) == [FIRST + 2]


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not ports._is_free(server.getsockname()[1])
