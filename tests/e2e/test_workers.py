"""Several workers count as one gateway, and one that dies is replaced."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.config import service, write
from tests.support.gateway import START_TIMEOUT_S, Gateway
from tests.support.origin import Origin, OriginConnection

WORKERS = 2
LIMIT = 10
# Connections are spread over workers by a hash of their ports; with so many, one worker gets none once in
# 2^39.
CONNECTIONS = 40


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    def script(connection: OriginConnection) -> None:
        connection.receive()
        connection.answer(b"{}", headers=(("Content-Type", "application/json"),))

    with Origin(script) as origin:
        limited = {"name": "rate-limiting", "config": {"minute": LIMIT, "policy": "local"}}
        cached = {
            "name": "proxy-cache",
            "config": {"strategy": "memory", "content_type": ["application/json"]},
        }
        file = write(
            tmp_path,
            service(origin.address, "/limited", plugins=[limited]),
            service(origin.address, "/cached", plugins=[cached]),
        )
        with Gateway(file, workers=WORKERS) as gateway:
            yield gateway


def test_limit_is_one_for_all_workers(gateway: Gateway) -> None:
    for last in range(2, 5):
        minute = int(time.time() // 60)
        source_ip = f"127.0.0.{last}"
        responses = [gateway.fetch("/limited", source_ip=source_ip) for _ in range(CONNECTIONS)]
        if int(time.time() // 60) == minute:
            break
    assert [response.status for response in responses] == [200] * LIMIT + [429] * (CONNECTIONS - LIMIT)
    remaining = [response.get("X-RateLimit-Remaining-Minute") for response in responses[:LIMIT]]
    assert remaining == [str(LIMIT - 1 - number) for number in range(LIMIT)]


def test_cache_is_one_for_all_workers(gateway: Gateway) -> None:
    statuses = [gateway.fetch("/cached").get("X-Cache-Status") for _ in range(CONNECTIONS)]
    assert statuses == ["Miss"] + ["Hit"] * (CONNECTIONS - 1)


def test_killed_worker_is_replaced(gateway: Gateway) -> None:
    pids = gateway.worker_pids()
    assert len(pids) == WORKERS

    os.kill(pids[0], signal.SIGKILL)
    deadline = time.monotonic() + START_TIMEOUT_S
    while len(now := gateway.worker_pids()) < WORKERS or pids[0] in now:
        assert time.monotonic() < deadline, str(gateway.log)
        gateway.log.pause(0.05)

    assert pids[1] in now, "the other one went on"
    assert {gateway.fetch("/cached").status for _ in range(CONNECTIONS)} == {200}
