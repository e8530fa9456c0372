"""A reload of a large file under load: how long is a worker's loop held up, and a client at worst?

It is measured twice while wrk keeps the worker about half busy. From inside, a plugin notes the processor's
time that each turn of the loop takes: what else runs on the machine does not count, so this is the figure to
trust. From outside, a connection asks at a steady pace. The worker has a core of its own; the loader, which
stands back behind everybody else, gets what load generator and backend leave of the other one. Were that used
up, it would compete with them, and the answers would tell of their waiting and not of the gateway.
"""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load_contenders import LOAD_CORE, PROXY_CORE, pin, process_tree
from benchmarks.load_measure import PacedProbe, run_wrk, write_wrk_script
from benchmarks.load_scenarios import Scenario, paths, write_config
from tests.support.gateway import Gateway

RELOADS = 5
CONNECTIONS = 24
THINKING_MS = 1  # Of each connection between two requests.
PACE_S = 0.001
QUIET_S = 5.0  # Before the first reload, for comparison.
FREEING_S = 1.0  # The old configuration is freed after the swap; that belongs to the stall.
PLUGINS = Path(__file__).parent / "plugins"

Moments = list[tuple[float, float]]  # when, and how long; seconds


@dataclass(frozen=True, slots=True)
class Spans:
    """Of each reload: when the change began, when it was served, when the old configuration was freed."""

    all: list[tuple[float, float, float]]

    def quiet(self, moments: Moments) -> list[float]:
        """Return how long it took before the first reload."""
        return [taken for when, taken in moments if when < self.all[0][0]]

    def during(self, moments: Moments) -> list[list[float]]:
        """Return how long it took while each configuration was loaded, built, swapped and freed."""
        return [[taken for when, taken in moments if begin <= when < end] for begin, _, end in self.all]

    def until_served(self, moments: Moments) -> list[list[float]]:
        """Return how long it took until each configuration was served."""
        return [[taken for when, taken in moments if begin <= when < end] for begin, end, _ in self.all]


def measure_reloads(folder: Path, backend_port: int, python: Path | None = None) -> dict[str, Any]:
    """Reload a 10,000-route file a few times under load; return stalls and times in milliseconds."""
    scenario = Scenario("reload", "", routes=10_000)
    config, script = folder / "reload.yaml", folder / "reload.lua"
    turns = folder / "turns"
    plugins = [{"name": "loop-turns", "config": {"file": str(turns)}}]
    write_config(config, scenario, backend_port, plugins=plugins)
    write_wrk_script(script, paths(scenario)[:1000], thinking_ms=THINKING_MS)
    # The probe asks on one connection from beginning to end.
    environment = {"KONG_NGINX_HTTP_KEEPALIVE_REQUESTS": "1000000"}
    flags = ("--plugin-dir", str(PLUGINS))

    # Written ahead: the probe runs in this process, and would wait for the text to be made.
    changes = [folder / f"reload-{number}.yaml" for number in range(RELOADS)]
    for change in changes:
        write_config(change, scenario, backend_port, change.stem, plugins)

    with Gateway(config, workers=1, python=python, environment=environment, flags=flags) as gateway:
        _give_worker_its_own_core(gateway)
        probe = PacedProbe(gateway.port, paths(scenario)[0], PACE_S)
        load = _BackgroundLoad(gateway.port, script)
        try:
            time.sleep(QUIET_S)
            spans = [_reload(gateway, config, change) for change in changes]
        finally:
            load.stop()
            answers = probe.stop()
    return _summary(Spans(spans), answers, _read_turns(turns))


def _reload(gateway: Gateway, config: Path, change: Path) -> tuple[float, float, float]:
    """Change the file; return when the change began, when it was served and when all of it was over."""
    previous = gateway.status()["configuration_hash"]
    began = time.monotonic()
    change.replace(config)
    gateway.wait_for_configuration(previous)
    served = time.monotonic()
    time.sleep(FREEING_S)
    return began, served, time.monotonic()


def _read_turns(file: Path) -> Moments:
    rows = (line.split() for line in file.read_text().splitlines())
    return [(float(ended), float(taken_ms) / 1000) for ended, taken_ms in rows]


def _summary(spans: Spans, answers: Moments, turns: Moments) -> dict[str, Any]:
    return {
        "reloads": len(spans.all),
        "seconds_to_live": [round(served - began, 2) for began, served, _ in spans.all],
        **_figures("turn_cpu", spans, turns),
        **_figures("answer", spans, answers),
    }


def _figures(name: str, spans: Spans, moments: Moments) -> dict[str, Any]:
    quiet, during, until_served = (
        spans.quiet(moments),
        spans.during(moments),
        spans.until_served(moments),
    )
    return {
        f"{name}_quiet_longest_ms": _ms(max(quiet)),
        f"{name}_quiet_p99_ms": _ms(_p99(quiet)),
        f"{name}_longest_ms": [_ms(max(found)) for found in during],
        f"{name}_longest_ms_median": _ms(statistics.median(max(found) for found in during)),
        f"{name}_p99_ms": _ms(statistics.median(_p99(found) for found in until_served)),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def _give_worker_its_own_core(gateway: Gateway) -> None:
    for pid in process_tree(gateway.process.pid):
        pin(pid, LOAD_CORE)
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
            run_wrk(f"http://127.0.0.1:{self._port}/", self._script, 1, CONNECTIONS)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
