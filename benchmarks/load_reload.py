"""A reload of a large file under load: how long does a client wait at worst?

The stall of a worker's loop is measured from outside, as the longest answer of a connection that asks at a
steady pace while wrk keeps the worker busy. The worker has a core of its own; the loader shares the other
one with the load generator at low priority, so that what is measured is the worker and not the contention
for a core.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.load_contenders import LOAD_CORE, PROXY_CORE, pin, process_tree
from benchmarks.load_measure import PacedProbe, run_wrk, write_wrk_script
from benchmarks.load_scenarios import Scenario, paths, write_config
from tests.support.gateway import Gateway

RELOADS = 5
CONNECTIONS = 8  # Enough to keep the worker busy; more would only measure the queue.
PACE_S = 0.001
QUIET_S = 3.0  # Before the first reload, for comparison.
LOADER_NICENESS = 10

Answers = list[tuple[float, float]]


def measure_reloads(folder: Path, backend_port: int, python: Path | None = None) -> dict[str, Any]:
    """Reload a 10,000-route file a few times under load; return stalls and times in milliseconds."""
    scenario = Scenario("reload", "", routes=10_000)
    config, script = folder / "reload.yaml", folder / "reload.lua"
    write_config(config, scenario, backend_port)
    write_wrk_script(script, paths(scenario)[:1000])
    # The probe asks on one connection from beginning to end.
    environment = {"KONG_NGINX_HTTP_KEEPALIVE_REQUESTS": "1000000"}
    with Gateway(config, workers=1, python=python, environment=environment) as gateway:
        _give_worker_its_own_core(gateway)
        probe = PacedProbe(gateway.port, paths(scenario)[0], PACE_S)
        load = _BackgroundLoad(gateway.port, script)
        try:
            time.sleep(QUIET_S)
            spans = [
                _reload(gateway, config, scenario, backend_port, marker=f"reload-{n}") for n in range(RELOADS)
            ]
        finally:
            load.stop()
            answers = probe.stop()
    return _summary(answers, spans)


def _reload(
    gateway: Gateway, config: Path, scenario: Scenario, backend_port: int, marker: str
) -> tuple[float, float]:
    """Change the file; return when the change began and when all of it was over."""
    previous = gateway.status()["configuration_hash"]
    began = time.perf_counter()
    write_config(config, scenario, backend_port, marker)
    gateway.wait_for_configuration(previous)
    ended = time.perf_counter()
    time.sleep(1.0)  # The old configuration is freed after the swap; that belongs to the stall.
    return began, ended + 1.0


def _summary(answers: Answers, spans: list[tuple[float, float]]) -> dict[str, Any]:
    quiet = [latency for asked, latency in answers if asked < spans[0][0]]
    during = [[latency for asked, latency in answers if begin <= asked < end] for begin, end in spans]
    return {
        "reloads": len(spans),
        "seconds_to_live": [round(end - begin - 1.0, 2) for begin, end in spans],
        "quiet_longest_ms": round(max(quiet) * 1000, 2),
        "quiet_p99_ms": round(_p99(quiet) * 1000, 2),
        "longest_ms": [round(max(latencies) * 1000, 2) for latencies in during],
        "longest_ms_median": round(statistics.median(max(latencies) for latencies in during) * 1000, 2),
        "p99_ms": round(statistics.median(_p99(latencies) for latencies in during) * 1000, 2),
    }


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _give_worker_its_own_core(gateway: Gateway) -> None:
    for pid in process_tree(gateway.process.pid):
        pin(pid, LOAD_CORE)
    os.setpriority(os.PRIO_PROCESS, gateway.process.pid, LOADER_NICENESS)
    for pid in gateway.worker_pids():
        pin(pid, PROXY_CORE)


class _BackgroundLoad:
    """wrk, again and again in short runs, until it is stopped."""

    def __init__(self, port: int, script: Path) -> None:
        self._port = port
        self._script = script
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            run_wrk(self._port, self._script, 1, CONNECTIONS)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
