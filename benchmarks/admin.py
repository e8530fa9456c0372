"""The Admin API over large configurations: how long does a tool wait for a page, a write, a scrape?

    python -m benchmarks.admin            prints a table
    python -m benchmarks.admin --check    fails when a number is over its limit

Page and write: 2,000 services with 10,000 routes and 2,000 plugins in a YAML file of 2.5 MB. A write is
measured to its answer, when all workers serve it; in a run of its own, the longest turn of a worker's loop
meanwhile, in time of the processor. Scrape: 2,000 services that all have traffic, one prometheus plugin that
counts everything.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from benchmarks.load_measure import cpu_seconds
from benchmarks.validate import Result, large_configuration
from tests.support.client import Client
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection

SERVICES = 2_000
READS = 9
WRITES = 5
PLUGINS = Path(__file__).parent / "plugins"
WRITE_TIMEOUT_S = 60.0
# The old configuration is freed after the swap; that belongs to the stall.
SETTLE_S = 1.0
_NAMES = re.compile(r"backend-\d+\.internal\.example")

MAX_PAGE_MS = 50.0
MAX_WRITE_S = 3.0
MAX_TURN_MS = 10.0
MAX_SCRAPE_MS = 200.0


def measure_entities(folder: Path) -> list[Result]:
    """Return the costs of a page and of writes over 10,000 routes."""
    file = folder / "kong.yaml"
    file.write_text(large_configuration())
    with Gateway(file, flags=("--admin-write", "on")) as gateway:
        page = _timed(lambda: _get(gateway.admin_port, "/routes?size=1000"), READS)
        _write(gateway, WRITES)  # The first one starts the editor, which reads the file.
        before_s = cpu_seconds(gateway.process.pid)
        writes = [_write(gateway, number) for number in range(WRITES)]
        used_s = (cpu_seconds(gateway.process.pid) - before_s) / WRITES
        told = [line for line in gateway.log.lines if "unchanged" in line]
    return [
        Result("page of 1,000 of 10,000 routes, median", statistics.median(page) * 1000, MAX_PAGE_MS, "ms"),
        Result("write on 10,000 routes, median", statistics.median(writes), MAX_WRITE_S, "s"),
        Result("write on 10,000 routes, longest", max(writes), MAX_WRITE_S, "s"),
        Result("write on 10,000 routes, CPU of all processes", used_s, MAX_WRITE_S, "s"),
        Result("loads that found nothing new", len(told), 0, ""),
    ]


def measure_turns(folder: Path) -> list[Result]:
    """Return the longest turn of a worker's loop during writes; the sampler keeps a core busy."""
    file, turns = folder / "turns.yaml", folder / "turns"
    sampler = {"plugins": [{"name": "loop-turns", "config": {"file": str(turns)}}]}
    # Two thousand names that do not exist would be looked up again and again, which is another measurement.
    text = _NAMES.sub("127.0.0.1", large_configuration())
    file.write_text(text + yaml.safe_dump(sampler))
    with Gateway(file, flags=("--admin-write", "on", "--plugin-dir", str(PLUGINS))) as gateway:
        time.sleep(2 * SETTLE_S)  # The sampler starts with its first timer.
        began_s = time.monotonic()
        for number in range(WRITES):
            _write(gateway, number)
    found = [tuple(map(float, line.split())) for line in turns.read_text().splitlines()]
    longest_ms = max(taken_ms for ended_s, taken_ms in found if ended_s >= began_s)
    return [Result("longest turn of a worker during writes, CPU", longest_ms, MAX_TURN_MS, "ms")]


def measure_scrape(folder: Path) -> list[Result]:
    """Return the cost of a scrape with 2,000 services that all have been asked."""
    with Origin(_answer) as origin:
        file = folder / "kong.json"
        file.write_text(json.dumps(_counted(origin.address)))
        with Gateway(file, environment={"KONG_NGINX_HTTP_KEEPALIVE_REQUESTS": "1000000"}) as gateway:
            with Client(gateway.port) as client:
                for number in range(SERVICES):
                    for kind in ("ok", "missing"):
                        client.request("GET", f"/service-{number}/{kind}")
            size_bytes = len(_get(gateway.status_port, "/metrics"))
            before_s = cpu_seconds(gateway.process.pid)
            times = _timed(lambda: _get(gateway.status_port, "/metrics"), READS)
            used_s = (cpu_seconds(gateway.process.pid) - before_s) / READS
    name = f"scrape of {SERVICES:,} services ({size_bytes / 1e6:.1f} MB)"
    return [
        Result(f"{name}, median", statistics.median(times) * 1000, MAX_SCRAPE_MS, "ms"),
        Result(f"{name}, CPU", used_s * 1000, MAX_SCRAPE_MS, "ms"),
    ]


def _counted(address: str) -> dict[str, Any]:
    switches = ("status_code_metrics", "latency_metrics", "bandwidth_metrics", "upstream_health_metrics")
    return {
        "_format_version": "3.0",
        "plugins": [{"name": "prometheus", "config": dict.fromkeys(switches, True)}],
        "services": [
            {
                "name": f"service-{number}",
                "url": f"http://{address}",
                "routes": [{"name": f"route-{number}", "paths": [f"/service-{number}/"]}],
            }
            for number in range(SERVICES)
        ],
    }


def _answer(connection: OriginConnection) -> None:
    request = connection.receive()
    connection.answer(b"{}", "200 OK" if b"/ok" in request.raw else "404 Not Found")


def _get(port: int, target: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", target)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        raise SystemExit(f"{target}: {response.status}")
    return body


def _write(gateway: Gateway, number: int) -> float:
    body = json.dumps({"tags": [f"write-{number}"]}).encode()
    with Client(gateway.admin_port) as client:
        client.socket.settimeout(WRITE_TIMEOUT_S)
        began = time.perf_counter()
        response = client.request(
            "PATCH", f"/routes/route-{number * 99}-1", (("Content-Type", "application/json"),), body
        )
        took_s = time.perf_counter() - began
    if response.status != 200:
        raise SystemExit(f"a write was answered with {response.status}: {response.body!r}")
    time.sleep(SETTLE_S)
    return took_s


def _timed(work: Callable[[], object], times: int) -> list[float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return found


def main() -> int:
    """Print the numbers; with --check, tell by the exit code whether all are within their limits."""
    with tempfile.TemporaryDirectory() as folder:
        measures = (measure_entities, measure_turns, measure_scrape)
        results = [result for measure in measures for result in measure(Path(folder))]
    for name, value, limit, unit in results:
        print(f"{name:52} {value:8.2f} {unit:2}   (limit {limit:g} {unit})")
    over = [result for result in results if result.value > result.limit]
    return 1 if over and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
