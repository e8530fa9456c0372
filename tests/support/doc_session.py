"""Runs the examples of a documentation page, in order, as a reader would.

A page is a script. These fenced blocks mean something:

``yaml title="kong.yaml"``  a file that the reader writes at this point. ``console``
commands after ``$``, each followed by what it prints. ``...`` stands for anything, within
                            a line or as a line of its own.

``dbless-gateway start`` and ``demo`` stay in the background. Well-known ports in the text become free ones,
and after a command or a file has changed the configuration, the session waits until the gateway has taken
notice.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.client import fetch
from tests.support.gateway import (
    EXAMPLE,
    REPOSITORY,
    START_TIMEOUT_S,
    STOP_TIMEOUT_S,
    GatewayLog,
)
from tests.support.ports import free_ports

# What a page says -> what a test uses instead.
DOCUMENTED_PORTS = ("8000", "8001", "8007", "9001", "9002")
COMMAND_TIMEOUT_S = 30
# Limits are counted in windows of a minute; a block must not straddle two of them.
WINDOW_S = 60
MARGIN_S = 3
# make run does this, in the checkout.
MAKE_RUN = f"dbless-gateway demo -c {EXAMPLE.name}"

_FENCE = re.compile(r"^```(?P<info>\S[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, its title if it has one, and its text."""

    line: int
    language: str
    title: str | None
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        language, _, rest = match["info"].partition(" ")
        title = _TITLE.search(rest)
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(line, language, title[1] if title else None, match["text"]))
    return found


class DocSession:
    """A reader's terminal and folder; a context manager that ends what it started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # In ascending order, as the documented ones are: what a page sorts comes out as the page shows it.
        ports = sorted(free_ports(len(DOCUMENTED_PORTS)))
        self._ports = dict(zip(DOCUMENTED_PORTS, map(str, ports), strict=True))
        self._gateway: subprocess.Popen[str] | None = None
        self._log: GatewayLog | None = None
        (folder / EXAMPLE.name).write_text(self._local(EXAMPLE.read_text()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if error is not None and self._log is not None:
            error.add_note(f"The gateway's log:\n{self._log}")

    def play(self, block: Block) -> None:
        """Do what a block says, and check what it shows."""
        if block.title is not None:
            with self._noticing_changes():
                (self.folder / block.title).write_text(self._local(block.text))
        elif block.language == "console":
            for command, expected in _commands(self._local(block.text)):
                self._run(command, expected)

    def _run(self, command: str, expected: list[str]) -> None:
        if command == "make run":
            command = MAKE_RUN
        if re.match(r"dbless-gateway (start|demo)\b", command):
            self._start(command)
            return
        _avoid_end_of_window()
        with self._noticing_changes():
            result = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        _compare(command, expected, result.stdout.replace("\r", "").splitlines())

    def _start(self, command: str) -> None:
        self._stop()
        arguments = shlex.split(command)
        flags = ["--workers", "1"]
        for flag, port in (
            ("--proxy-listen", "8000"),
            ("--admin-listen", "8001"),
            ("--status-listen", "8007"),
        ):
            flags += [flag, f"127.0.0.1:{self._ports[port]}"]
        if arguments[1] == "demo":
            flags += ["--target-port", self._ports["9001"], "--target-port", self._ports["9002"]]
        self._gateway = subprocess.Popen(
            [sys.executable, "-m", "dbless_gateway", *arguments[1:], *flags],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._log = GatewayLog(self._gateway.stdout)
        self._wait_until(self._is_ready)

    def _stop(self) -> None:
        if self._gateway is None:
            return
        self._gateway.terminate()
        self._gateway.wait(STOP_TIMEOUT_S)
        assert self._log is not None
        self._log.close()
        self._gateway = None

    def _environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        # The reader is elsewhere, the code that is tested is this checkout's.
        return os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
        }

    def _local(self, text: str) -> str:
        """Return the text with this session's ports."""
        return re.sub(rf"\b({'|'.join(DOCUMENTED_PORTS)})\b", lambda match: self._ports[match[1]], text)

    def _noticing_changes(self) -> _ChangeWatch:
        return _ChangeWatch(self)

    def contents(self) -> dict[str, str]:
        """Return what the configuration and the plugins say now: what a gateway watches here."""
        return {
            file.name: file.read_text()
            for pattern in ("kong.yaml*", "*.py")
            for file in self.folder.glob(pattern)
        }

    def reload_count(self) -> int:
        """Return how many outcomes of reloads the log tells."""
        lines = self._log.lines if self._log else []
        return sum(bool(re.search(r"\b(reloaded|unchanged|rejected)\b", line)) for line in lines)

    def wait_for_reload(self, before: int) -> None:
        """Wait until the gateway has told about one more reload."""
        if self._gateway is not None:
            self._wait_until(lambda: self.reload_count() > before)

    def _is_ready(self) -> bool:
        try:
            return fetch(int(self._ports["8007"]), "/status/ready").status == 200
        except OSError:
            return False

    def _wait_until(self, condition: object) -> None:
        assert callable(condition)
        assert self._gateway is not None
        assert self._log is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while not condition():
            assert self._gateway.poll() is None, str(self._log)
            assert time.monotonic() < deadline, str(self._log)
            self._log.pause(0.05)


class _ChangeWatch:
    """Compares the configuration before and after; waits for the reload if it has changed."""

    def __init__(self, session: DocSession) -> None:
        self._session = session
        self._before = session.contents()
        self._reloads = session.reload_count()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._session.contents() != self._before:
            self._session.wait_for_reload(self._reloads)


def _commands(text: str) -> list[tuple[str, list[str]]]:
    """Split a console block into commands, each with the lines that it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:].partition("   #")[0].strip(), []))
        elif found:
            found[-1][1].append(line)
    return found


def _compare(command: str, expected: list[str], printed: list[str]) -> None:
    """Check that the expected lines come in this order; lines between them are free only after ``...``."""
    at, may_skip = 0, False
    for line in expected:
        if line.strip() == "...":
            may_skip = True
            continue
        pattern = re.compile(".*".join(map(re.escape, line.strip().split("..."))))
        rest = [text.strip() for text in printed[at:]]
        found = next((n for n, text in enumerate(rest) if pattern.fullmatch(text)), None)
        assert found is not None, f"$ {command}\nexpected: {line}\nprinted:\n" + "\n".join(printed)
        assert may_skip or found == 0, f"$ {command}\nunexpected: {rest[0]}\nbefore: {line}"
        at, may_skip = at + found + 1, False


def _avoid_end_of_window() -> None:
    """Wait for the next window of a limit when this one is about to end."""
    left = WINDOW_S - time.time() % WINDOW_S
    if left < MARGIN_S:
        time.sleep(left)
