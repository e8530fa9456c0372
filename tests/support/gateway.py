"""The real gateway as a process, started and stopped by a test.

``Gateway`` runs ``dbless-gateway start`` on free loopback ports, collects its log and waits for events in it.
A test that ends normally also checks that SIGTERM ended the process with code 0.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.client import Client, fetch
from tests.support.ports import free_ports
from tests.support.wire import Response

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "kong.yaml.example"
# Generous, because a loaded continuous-integration machine starts several processes at once.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
# How often readiness is asked for while the log says nothing.
POLL_S = 0.05


class GatewayLog:
    """The lines that a process wrote, with a way to wait for one."""

    def __init__(self, stream: Any) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.ended = False
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read what is left of an ended process, and close the pipe."""
        self._thread.join(STOP_TIMEOUT_S)
        assert not self._thread.is_alive(), f"a process outlived its parent\n{self}"
        self._stream.close()

    def _read(self) -> None:
        for line in self._stream:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def wait_for(self, pattern: str, *, after: int = 0, timeout_s: float = START_TIMEOUT_S) -> str:
        """Return the first line from number ``after`` on that the pattern is found in."""
        compiled = re.compile(pattern)
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for line in self.lines[after:]:
                    if compiled.search(line):
                        return line
                left = deadline - time.monotonic()
                if self.ended or not self._changed.wait(left) or left <= 0:
                    raise AssertionError(f"no line with {pattern!r} in:\n{self}")

    def pause(self, seconds: float) -> None:
        """Return at the next line, at the latest after that time."""
        with self._changed:
            self._changed.wait(seconds)

    def __str__(self) -> str:
        return "\n".join(self.lines)


class Gateway:
    """A running gateway; a context manager."""

    def __init__(
        self,
        config: Path | Sequence[Path],
        *,
        workers: int = 1,
        environment: dict[str, str] | None = None,
        flags: Sequence[str] = (),
        wait: bool = True,
        python: Path | None = None,
    ) -> None:
        """Start it; ``python`` is another environment's interpreter, whose installed gateway is then run.

        Proxy and Admin API listen where the environment says, if it does.
        """
        self.files = [config] if isinstance(config, Path) else list(config)
        self.port, self.admin_port, self.status_port = free_ports(3)
        self.process = subprocess.Popen(
            [
                *(str(python or sys.executable), "-m", "dbless_gateway", "start"),
                *(part for file in self.files for part in ("-c", str(file))),
                *self._listen_flags(environment or {}),
                *("--status-listen", f"127.0.0.1:{self.status_port}"),
                *("--workers", str(workers), *flags),
            ],
            # -m looks into the current folder first: the checkout's gateway, or else the installed one.
            cwd=REPOSITORY if python is None else self.files[0].resolve().parent,
            env=_environment(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self.log = GatewayLog(self.process.stdout)
        if wait:
            try:
                self.wait_until_ready()
            except BaseException:
                self.kill()
                raise

    def _listen_flags(self, environment: dict[str, str]) -> list[str]:
        wanted = {"proxy": self.port, "admin": self.admin_port}
        return [
            part
            for kind, port in wanted.items()
            if f"KONG_{kind.upper()}_LISTEN" not in environment
            for part in (f"--{kind}-listen", f"127.0.0.1:{port}")
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"The gateway's log:\n{self.log}")
            self.kill()
        elif self.process.poll() is None:
            code = self.stop()
            assert code == 0, f"exit code {code} after SIGTERM\n{self.log}"
        self.log.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, source_ip: str = "127.0.0.1") -> Client:
        return Client(self.port, source_ip)

    def fetch(self, target: str = "/", **rest: Any) -> Response:
        return fetch(self.port, target, **rest)

    def status(self) -> dict[str, Any]:
        """Return what ``GET /status`` of the admin listener says."""
        response = fetch(self.admin_port, "/status")
        assert response.status == 200, response.raw
        report: dict[str, Any] = json.loads(response.body)
        return report

    def wait_until_ready(self) -> None:
        """Wait until the status listener says that requests are served."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            assert self.process.poll() is None, f"exit code {self.process.returncode}\n{self.log}"
            assert time.monotonic() < deadline, f"not ready after {START_TIMEOUT_S} s\n{self.log}"
            self.log.pause(POLL_S)

    def _is_ready(self) -> bool:
        try:
            return fetch(self.status_port, "/status/ready").status == 200
        except OSError:
            return False

    def wait_for_configuration(self, previous_hash: str) -> str:
        """Wait until the configuration is another one than that; return its hash."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (current := self.status()["configuration_hash"]) == previous_hash:
            assert time.monotonic() < deadline, f"the configuration did not change\n{self.log}"
            self.log.pause(POLL_S)
        return str(current)

    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers."""
        return [int(worker["pid"]) for worker in self.status()["workers"]]

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send the signal, wait for the end and return the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


def write_atomically(file: Path, text: str) -> None:
    """Replace a file as careful editors do: a new one, renamed over it."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text)
    fresh.replace(file)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _environment(extra: dict[str, str]) -> dict[str, str]:
    """Return this process's environment without settings of a gateway that the developer may have set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KONG_", "DECK_"))}
    return kept | {"PYTHONUNBUFFERED": "1"} | extra
