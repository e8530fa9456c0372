"""A write is loaded once: the watcher knows what the node itself has written, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.client import fetch
from tests.support.config import service, write
from tests.support.gateway import Gateway, write_atomically

pytestmark = pytest.mark.slow

JSON = (("Content-Type", "application/json"),)


def test_the_watcher_leaves_writes_alone_and_sees_people(tmp_path: Path) -> None:
    file = write(tmp_path, service("127.0.0.1:1", "/one"))
    with Gateway(file, flags=("--admin-write", "on")) as gateway:
        for tag in ("a", "b"):
            body = json.dumps({"tags": [tag]}).encode()
            answer = fetch(
                gateway.admin_port, "/services/service-one", method="PATCH", headers=JSON, body=body
            )
            assert answer.status == 200
        served = gateway.status()["configuration_hash"]
        write_atomically(file, file.read_text() + "# by hand\n")
        gateway.wait_for_configuration(served)
        outcomes = [
            outcome
            for line in gateway.log.lines
            for outcome in ("started ", "reloaded ", "unchanged ")
            if f"] {gateway.process.pid}: {outcome}" in line
        ]
        assert outcomes == ["started ", "reloaded ", "reloaded ", "reloaded "]
