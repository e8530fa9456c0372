"""Many reloads in a row under traffic: does anything leak, does any request fail?

``make soak`` runs a gateway with two workers, changes a configuration of some hundred routes
again and again (each time with other targets, plugins and credentials) and lets clients ask all the while.
After each reload it notes resident memory and open files of every process. Memory is compared between the
time after the first reloads, when caches have filled, and the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbless_gateway import __version__
from tests.support.client import fetch
from tests.support.config import document, service
from tests.support.gateway import Gateway, resident_bytes, write_atomically
from tests.support.load import SteadyLoad
from tests.support.origin import Origin
from tests.support.wire import Response

RESULTS = Path(__file__).parent / "results"
RELOADS = 1000
# Until then caches, pools and the allocator's arenas fill.
WARM_UP_RELOADS = 50
PROGRESS_EVERY = 25
WORKERS = 2
CLIENTS = 8
# Several hundred requests per second, and time left for the reloads: it is these that are to be many.
PAUSE_S = 0.02
ROUTES = 300
# From the end of the warm-up to the end; more is a leak, since the configurations are equally large.
GROWTH_LIMIT_PERCENT = 5.0
# Figures of single moments move by what a build has just allocated; so many are averaged.
WINDOW = 10
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    resident_bytes: int
    files: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        """Look at a process."""
        return cls(resident_bytes(pid), len(os.listdir(f"/proc/{pid}/fd")))


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print and record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reloads", type=int, default=RELOADS)
    parser.add_argument("--dry", action="store_true", help="record nothing")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), arguments.reloads)
    text = json.dumps(found, indent=2) + "\n"
    print(text, end="")
    if not arguments.dry:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"soak-{time.strftime('%Y-%m-%d')}.json").write_text(text)
    grown = max(process["growth_percent"] for process in found["processes"].values())
    return 0 if found["requests_failed"] == 0 and grown <= GROWTH_LIMIT_PERCENT else 1


def soak(folder: Path, reloads: int) -> dict[str, Any]:
    """Reload that often under traffic; return the figures."""
    file = folder / "kong.yaml"
    with Origin() as origin:
        file.write_text(configuration(origin.address, 0))
        with Gateway(file, workers=WORKERS, flags=("--watch", "off")) as gateway:
            pids = {"supervisor": gateway.process.pid}
            pids |= {f"worker {number}": pid for number, pid in enumerate(gateway.worker_pids())}
            samples: dict[str, list[Sample]] = {name: [] for name in pids}
            receipts = []
            with SteadyLoad(gateway.port, "/r1", _status, clients=CLIENTS, pause_s=PAUSE_S) as load:
                for number in range(1, reloads + 1):
                    write_atomically(file, configuration(origin.address, number))
                    receipts.append(_reload(gateway))
                    for name, pid in pids.items():
                        samples[name].append(Sample.of(pid))
                    if number % PROGRESS_EVERY == 0:
                        print(_progress(number, samples, len(load.failures)), file=sys.stderr)
    statuses = [status for seen in load.observations for status in seen]
    return {
        "gateway": __version__,
        "python": platform.python_version(),
        "reloads": reloads,
        "routes": ROUTES,
        "requests": len(statuses),
        "requests_failed": len(load.failures) + sum(status != 200 for status in statuses),
        "reload_ms_median": round(statistics.median(receipt["duration_ms"] for receipt in receipts), 1),
        "swap_ms_max": max(receipt["swap_ms"] for receipt in receipts),
        "processes": {name: _growth(found) for name, found in samples.items()},
    }


def _status(response: Response) -> int:
    return response.status


def _progress(number: int, samples: dict[str, list[Sample]], failures: int) -> str:
    now = ", ".join(f"{name} {found[-1].resident_bytes / _MIB:.1f} MiB" for name, found in samples.items())
    return f"{time.strftime('%H:%M:%S')} {number} reloads, {failures} failures: {now}"


def _reload(gateway: Gateway) -> dict[str, Any]:
    response = fetch(gateway.admin_port, "/reload", method="POST")
    receipt: dict[str, Any] = json.loads(response.body)
    assert receipt["outcome"] == "reloaded", receipt
    return receipt


def _growth(samples: list[Sample]) -> dict[str, Any]:
    """Compare the end with the time after the warm-up."""
    start = min(WARM_UP_RELOADS, len(samples) // 2)
    before, after = samples[start : start + WINDOW], samples[-WINDOW:]
    return {
        "resident_mib_after_warm_up": _mib(before),
        "resident_mib_at_the_end": _mib(after),
        "growth_percent": round((_mib(after) / _mib(before) - 1) * 100, 1),
        "files_after_warm_up": max(sample.files for sample in before),
        "files_at_the_end": max(sample.files for sample in after),
    }


def _mib(samples: list[Sample]) -> float:
    return round(statistics.mean(sample.resident_bytes for sample in samples) / _MIB, 1)


def configuration(address: str, number: int) -> str:
    """Return the configuration of this reload; neighbours differ in routes, targets, plugins and keys."""
    limit = {"name": "rate-limiting", "config": {"minute": 10**9 + number, "policy": "local"}}
    services = [
        service(
            "pool:80", f"/r{route}", route={"tags": [f"reload-{number}"]}, plugins=[limit] * (route % 3 == 0)
        )
        for route in range(ROUTES)
    ]
    consumers = [{"username": f"c{number}", "keyauth_credentials": [{"key": f"key-{number}"}]}]
    targets = [{"target": address}, {"target": f"127.0.0.1:{1 + number % 3}", "weight": 0}]
    checks = {"passive": {"unhealthy": {"tcp_failures": 1 + number % 5}}}
    upstreams: list[dict[str, Any]] = [
        {"name": "pool", "targets": targets, "healthchecks": checks},
        {"name": f"passing-{number % 7}", "algorithm": "consistent-hashing", "targets": targets[:1]},
    ]
    return document(*services, upstreams=upstreams, consumers=consumers)


if __name__ == "__main__":
    raise SystemExit(main())
