"""How one run is measured: wrk or a client that resumes TLS for the load, /proc for the cost, a probe for stalls.

CPU time per request is the figure to trust: utime + stime of all processes of a proxy, divided by the
requests that it answered. Other tenants of the machine change requests per second by tens of percent, and
this hardly at all.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load_contenders import LOAD_CORE, Contender, process_tree

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# What a browser sends, with Host: eleven header lines.
REQUEST_HEADERS = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "http://gateway.test/start"),
    ("Cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
    ("DNT", "1"),
    ("Cache-Control", "max-age=0"),
    ("X-Requested-With", "XMLHttpRequest"),
)
# The tenth line besides Host: every scenario sends the key, so that all requests are equally long.
KEY_HEADER = ("apikey", "benchmark-key")
# As many as keep one core of clients busy: more only wait for each other.
_RESUMING_CONNECTIONS = 4
_ON_LOAD_CORE = ("taskset", "-c", str(LOAD_CORE))
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


@dataclass(frozen=True, slots=True)
class Run:
    """One measured stretch of load on one contender."""

    cpu_us_per_request: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float


def measure(contender: Contender, script: Path, seconds: float, connections: int) -> Run:
    """Put load on a contender and return what it cost; anything but success in an answer is an error."""
    before = cpu_seconds(contender.pid)
    output = run_wrk(contender.url, script, seconds, connections)
    used_s = cpu_seconds(contender.pid) - before
    requests = int(_search(r"(\d+) requests in", output))
    return Run(
        cpu_us_per_request=used_s / requests * 1e6,
        requests_per_s=float(_search(r"Requests/sec:\s+([\d.]+)", output)),
        p50_ms=_latency_ms("50%", output),
        p99_ms=_latency_ms("99%", output),
    )


def measure_resuming(contender: Contender, path: str, seconds: float) -> Run:
    """Have every request made on a new TLS connection that resumes a session; return what it cost."""
    before = cpu_seconds(contender.pid)
    client = [sys.executable, "-m", "benchmarks.load_resuming"]
    arguments = [str(contender.port), f"{seconds:g}", str(_RESUMING_CONNECTIONS), path]
    output = subprocess.run(
        [*_ON_LOAD_CORE, *client, *arguments], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    used_s = cpu_seconds(contender.pid) - before
    outcome = json.loads(output)
    return Run(cpu_us_per_request=used_s / outcome.pop("requests") * 1e6, **outcome)


def run_wrk(url: str, script: Path, seconds: float, connections: int) -> str:
    """Run wrk on the load core; return what it printed."""
    command = [*_ON_LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency"]
    command += ["-s", str(script), url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"requests failed at {url}:\n{output}")
    return output


def write_wrk_script(
    file: Path,
    paths: Iterable[str],
    method: str = "GET",
    body_bytes: int = 0,
    headers: Iterable[tuple[str, str]] = (),
    thinking_ms: int = 0,
) -> None:
    """Write a script that cycles through the paths; the requests are built once, before the clock runs.

    ``thinking_ms`` is how long each connection waits before its next request.
    """
    lines = "\n".join(
        f'wrk.headers["{name}"] = "{value}"' for name, value in (*REQUEST_HEADERS, KEY_HEADER, *headers)
    )
    file.write_text(
        f'wrk.method = "{method}"\n{lines}\n'
        + (f'wrk.body = string.rep("x", {body_bytes})\n' if body_bytes else "")
        + "local paths = {"
        + ",".join(f'"{path}"' for path in paths)
        + "}\n"
        "local requests, count, at = {}, #paths, 0\n"
        "init = function(args)\n"
        "  for i, path in ipairs(paths) do requests[i] = wrk.format(nil, path) end\n"
        "end\n"
        "request = function()\n  at = at % count + 1\n  return requests[at]\nend\n"
        + (f"delay = function()\n  return {thinking_ms}\nend\n" if thinking_ms else "")
    )


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process and its descendants so far."""
    total = 0
    for member in process_tree(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


class PacedProbe:
    """A connection that asks at a steady pace and notes when each answer came and how long it took."""

    def __init__(self, port: int, target: str, pace_s: float) -> None:
        self.answers: list[tuple[float, float]] = []  # (when asked, latency), seconds
        self._request = f"GET {target} HTTP/1.1\r\nHost: gateway.test\r\n\r\n".encode()
        self._pace_s = pace_s
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> list[tuple[float, float]]:
        """End the probe and return its answers."""
        self._stopping.set()
        self._thread.join()
        self._socket.close()
        return self.answers

    def _run(self) -> None:
        due = time.perf_counter()
        while not self._stopping.is_set():
            asked = time.monotonic()
            self._socket.sendall(self._request)
            # The small body arrives in the segment of its head.
            if not self._socket.recv(65536).startswith(b"HTTP/1.1 200"):
                raise SystemExit("the probe got an answer other than 200")
            self.answers.append((asked, time.monotonic() - asked))
            due = max(due + self._pace_s, time.perf_counter())
            time.sleep(max(0.0, due - time.perf_counter()))


def _search(pattern: str, output: str) -> str:
    match = re.search(pattern, output)
    if match is None:
        raise SystemExit(f"wrk printed no {pattern!r}:\n{output}")
    return match[1]


def _latency_ms(percentile: str, output: str) -> float:
    text = _search(rf"{percentile}\s+([\d.]+[a-z]+)", output)
    match = re.fullmatch(r"([\d.]+)([a-z]+)", text)
    assert match is not None
    return float(match[1]) * _UNITS_MS[match[2]]
