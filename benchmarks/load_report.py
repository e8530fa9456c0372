"""Results as a file for the record and as a table for a person, with machine and versions beside them."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.load_measure import Run
from benchmarks.load_scenarios import SCENARIOS

REFERENCE = "nginx"
README = Path(__file__).parents[1] / "README.md"
MARK = "figures"


def summarise(rounds: list[dict[str, Run]]) -> dict[str, dict[str, float]]:
    """Return every contender's medians; the ratio is taken within a round, where conditions were alike."""
    return {
        name: {
            "cpu_us_per_request": _median(rounds, name, "cpu_us_per_request"),
            "requests_per_s": _median(rounds, name, "requests_per_s"),
            "p50_ms": _median(rounds, name, "p50_ms"),
            "p99_ms": _median(rounds, name, "p99_ms"),
            "cpu_ratio_to_nginx": round(
                statistics.median(
                    runs[name].cpu_us_per_request / runs[REFERENCE].cpu_us_per_request for runs in rounds
                ),
                3,
            ),
        }
        for name in rounds[0]
    }


def _median(rounds: list[dict[str, Run]], name: str, field: str) -> float:
    return round(float(statistics.median(getattr(runs[name], field) for runs in rounds)), 3)


def print_scenario(title: str, summary: dict[str, dict[str, float]]) -> None:
    """Print one comparison as a table."""
    print(f"\n{title}")
    print(f"  {'':10}{'CPU us/request':>16}{'x nginx':>9}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}")
    for name, row in summary.items():
        print(
            f"  {name:10}{row['cpu_us_per_request']:16.1f}{row['cpu_ratio_to_nginx']:9.2f}"
            f"{row['requests_per_s']:12.0f}{row['p50_ms']:9.2f}{row['p99_ms']:9.2f}"
        )


def save(results: dict[str, Any]) -> Path:
    """Write the results of a run to a dated file."""
    return record.save(
        results, prefix="", packages=("uvloop", "httptools"), programs=("nginx", "haproxy", "wrk")
    )


def write_figures(results: dict[str, Any], readme: Path, recorded_in: Path) -> None:
    """Put the figures of a run between the marks in the README."""
    record.write_between(readme, MARK, _figures(results, recorded_in))


def _figures(results: dict[str, Any], recorded_in: Path) -> str:
    summaries = {name: result["summary"] for name, result in results.items() if "summary" in result}
    contenders = list(dict.fromkeys(name for summary in summaries.values() for name in summary))
    says = {scenario.name: scenario.says for scenario in SCENARIOS}
    lines = [f"| CPU time per request, x nginx | {' | '.join(contenders)} |"]
    lines.append("| --- " * (len(contenders) + 1) + "|")
    for name, summary in summaries.items():
        cells = [f"{summary[c]['cpu_ratio_to_nginx']:.2f}" if c in summary else "" for c in contenders]
        lines.append(f"| {says[name]} | {' | '.join(cells)} |")
    machine = record.machine()
    for summary in list(summaries.values())[:1]:
        nginx_us = summary[REFERENCE]["cpu_us_per_request"]
        lines += ["", f"nginx took {nginx_us:.1f} us of CPU for a request of the first row."]
    if "reload" in results:
        longest, quiet = (
            max(results["reload"]["turn_cpu_longest_ms"]),
            results["reload"]["turn_cpu_quiet_longest_ms"],
        )
        lines.append(
            f"Reloads of 10,000 routes under load held a worker's loop up for {longest:.1f} ms of CPU time"
        )
        lines[-1] += f" at most ({quiet:.1f} ms before them)."
    if "memory" in results:
        lines.append(
            f"A worker on the example has {results['memory']['worker_resident_mb']:.0f} MB resident."
        )
    lines.append(f"Measured on {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}:")
    lines[-1] += f" [{recorded_in.name}](benchmarks/results/{recorded_in.name})."
    return "\n".join(lines) + "\n"
