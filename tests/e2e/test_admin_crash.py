"""The gateway is killed at random moments while the Admin API writes its file."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.gateway import Gateway

FILE = """\
_format_version: "3.0"
services:
  # A comment that every write has to keep.
  - name: example
    url: http://127.0.0.1:1
    retries: 0
"""
SECONDS = 40.0
ROUNDS_MIN = 5  # on a machine that is busy with something else
# The largest number that the schema allows.
RETRIES_MAX = 32767


class WritingClient(threading.Thread):
    """Writes the numbers that follow ``retries``, each when the one before is answered, until it fails."""

    def __init__(self, port: int, retries: int) -> None:
        super().__init__()
        self.answered = self.asked = retries
        self.first_answer = threading.Event()
        self._port = port

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with suppress(OSError, http.client.HTTPException):
            while self.asked < RETRIES_MAX:
                self.asked += 1
                body = json.dumps({"retries": self.asked})
                headers = {"Content-Type": "application/json"}
                connection.request("PATCH", "/services/example", body, headers)
                answer = connection.getresponse()
                assert answer.status == 200, answer.read()
                answer.read()
                self.answered = self.asked
                self.first_answer.set()
        self.first_answer.set()
        connection.close()


def text_with(retries: int) -> str:
    return FILE.replace("retries: 0", f"retries: {retries}")


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kong.yaml"
    file.write_text(FILE)
    chance, retries, rounds, moved = random.Random(), 0, 0, 0
    write_s = 1.0
    deadline = time.monotonic() + SECONDS
    while rounds < ROUNDS_MIN or time.monotonic() < deadline:
        gateway = Gateway(file, flags=("--admin-write", "on"))
        try:
            # The start after a crash serves what the crash left.
            served = http_json(gateway.admin_port, "/services/example")["retries"]
            assert served == retries
            assert os.listdir(tmp_path) == ["kong.yaml"]
            client = WritingClient(gateway.admin_port, retries)
            began = time.monotonic()
            client.start()
            if rounds == 0:
                # How long one takes here, so that kills are spread over all of it.
                assert client.first_answer.wait(60)
                write_s = time.monotonic() - began
            # Left to chance on purpose: nothing is waited for.
            time.sleep(chance.uniform(0, write_s))
            gateway.process.send_signal(signal.SIGKILL)
            gateway.process.wait()
            client.join()
        finally:
            # Asserts that no worker outlives the supervisor.
            gateway.kill()
        left = file.read_text()
        # What was answered is there; what was not may be.
        assert left in (text_with(client.answered), text_with(client.asked)), left
        moved += left != text_with(client.answered)
        retries = client.asked if left == text_with(client.asked) else client.answered
        rounds += 1
    with capsys.disabled():
        sys.stdout.write(
            f"\n{rounds} kills, the file was whole after each; {moved} cut off only the answer\n"
        )


def http_json(port: int, path: str) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        found: dict[str, int] = json.loads(connection.getresponse().read())
        return found
    finally:
        connection.close()
