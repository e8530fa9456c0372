"""make bench: our gateway with one worker beside nginx (and HAProxy when installed), in one interleaved run.

The proxies have one core and the load generator with the backend another. Each round measures every
contender once, so that a change of the machine's mood touches all of them; what is reported are medians
over rounds.

    python -m benchmarks.load                      everything, pure Python and as installed
    python -m benchmarks.load routes-1000 plugins  some scenarios ("reload" and "memory" are two more)
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import load_report
from benchmarks.load_contenders import (
    Contender,
    backend,
    gateway,
    haproxy,
    is_installed,
    nginx,
    write_key_files,
)
from benchmarks.load_measure import Run, measure, measure_resuming, write_wrk_script
from benchmarks.load_reload import measure_reloads
from benchmarks.load_scenarios import SCENARIOS, Scenario, paths, write_config
from tests.support.gateway import EXAMPLE, Gateway, resident_bytes

WARM_UP_S = 1.0
NAMES = (*(scenario.name for scenario in SCENARIOS), "reload", "memory")


def main() -> None:
    arguments = _arguments()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the proxies, one for the load")
    wanted = arguments.scenario or NAMES
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="dbless-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        backend_port = stack.enter_context(backend(folder))
        for scenario in SCENARIOS:
            if scenario.name in wanted:
                results[scenario.name] = compare(scenario, folder, backend_port, arguments)
                load_report.print_scenario(
                    f"{scenario.name}: {scenario.says}", results[scenario.name]["summary"]
                )
        if "reload" in wanted:
            results["reload"] = measure_reloads(folder, backend_port, arguments.compiled)
            print(f"\nreload of 10,000 routes under load: {results['reload']}")
        if "memory" in wanted:
            results["memory"] = {"worker_resident_mb": _memory_on_the_example()}
            print(f"\nresident memory of a worker on the example, MB: {results['memory']}")
    if not arguments.dry:
        file = load_report.save(results)
        print(f"\nwritten to {file}")
        if arguments.readme:
            load_report.write_figures(results, load_report.README, file)


def compare(
    scenario: Scenario, folder: Path, backend_port: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Run a scenario on all contenders, round by round."""
    script, config = folder / f"{scenario.name}.lua", folder / f"{scenario.name}.yaml"
    write_wrk_script(script, paths(scenario), scenario.method, scenario.body_bytes)
    write_config(config, scenario, backend_port)
    tls = write_key_files(folder) if scenario.tls else None

    def run(contender: Contender, seconds: float) -> Run:
        if scenario.resumes:
            return measure_resuming(contender, paths(scenario)[0], seconds)
        return measure(contender, script, seconds, arguments.connections)

    with ExitStack() as stack:
        contenders = [
            stack.enter_context(nginx(folder, backend_port, tls)),
            stack.enter_context(gateway("pure", config, tls=tls, without_extensions=True)),
            stack.enter_context(gateway("gateway", config, tls=tls)),
        ]
        if arguments.compiled is not None:
            contenders.append(stack.enter_context(gateway("compiled", config, arguments.compiled, tls)))
        if is_installed("haproxy") and not scenario.tls:
            contenders.append(stack.enter_context(haproxy(folder, backend_port)))
        for contender in contenders:
            run(contender, WARM_UP_S)
        rounds = [
            {contender.name: run(contender, arguments.seconds) for contender in contenders}
            for _ in range(arguments.rounds)
        ]
    return {
        "summary": load_report.summarise(rounds),
        "cpu_us_per_request_by_round": {
            contender.name: [round(runs[contender.name].cpu_us_per_request, 2) for runs in rounds]
            for contender in contenders
        },
    }


def _memory_on_the_example() -> float:
    with Gateway(EXAMPLE, workers=1) as process:
        (pid,) = process.worker_pids()
        return round(resident_bytes(pid) / 1e6, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", nargs="*", choices=[*NAMES, []], help=f"some of: {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load per contender and round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument(
        "--compiled",
        type=lambda text: Path(text).absolute(),  # The gateways run in folders of their own.
        metavar="PYTHON",
        help="interpreter of an environment with the compiled wheel, which then competes too",
    )
    parser.add_argument("--readme", action="store_true", help="put the figures into README.md")
    parser.add_argument("--dry", action="store_true", help="write no result file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
