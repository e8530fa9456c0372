"""The validate command as a whole process, on a large configuration and on the example.

    python -m benchmarks.validate            prints a table
    python -m benchmarks.validate --check    fails when a number is over its limit

The large one has 2,000 services, 10,000 routes and 2,000 plugins. It is compared with the bare
``yaml.load`` of the same file by libyaml in a process of its own. Each number is the least of ``ROUNDS``:
other work on the machine can only make it greater. Memory is told in multiples of the file's size: what the
process needs beyond one that judges only the example (that is the file's own, and has the limit), and beyond a
bare interpreter (with all that is imported, whatever the file). The same file with a finding in it is
judged, too: to tell where that is the text is read once more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

ROUNDS = 7
EXAMPLE = Path(__file__).parents[1] / "kong.yaml.example"

VALIDATE = [sys.executable, "-m", "dbless_gateway", "validate"]
GENERATE = [
    sys.executable,
    "-c",
    "import benchmarks.validate as v, sys; open(sys.argv[1], 'w').write(v.large_configuration())",
]
BARE_INTERPRETER = [sys.executable, "-c", "pass"]
BARE_LOAD = [sys.executable, "-c", "import yaml, sys; yaml.load(open(sys.argv[1]), Loader=yaml.CSafeLoader)"]

# A process under these does not disturb before a commit; slower hooks are switched off.
MAX_LARGE_S = 2.5
MAX_TIMES_BARE = 4.0
MAX_EXAMPLE_S = 0.150
MAX_TIMES_SIZE = 12.0
# What is imported takes some 17 MB, which is seven times this file.
MAX_TIMES_SIZE_WITH_IMPORTS = 19.0


class Cost(NamedTuple):
    """What a process took."""

    wall_s: float
    cpu_s: float
    memory_bytes: int


class Result(NamedTuple):
    """One line of the table."""

    name: str
    value: float
    limit: float
    unit: str


def large_configuration() -> str:
    """Return some 2.5 MB of YAML, written as people write it."""
    return yaml.dump(
        {"_format_version": "3.0", "services": [_service(number) for number in range(2_000)]},
        Dumper=yaml.CSafeDumper,
        sort_keys=False,
    )


def _service(number: int) -> dict[str, object]:
    return {
        "name": f"service-{number}",
        "host": f"backend-{number}.internal.example",
        "port": 8080,
        "protocol": "http",
        "read_timeout": 30_000,
        "tags": [f"team-{number % 20}", "production"],
        "plugins": [{"name": "key-auth", "config": {"key_names": ["apikey"], "hide_credentials": True}}],
        "routes": [
            {
                "name": f"route-{number}-{version}",
                "hosts": [f"host-{number}.example.com"],
                "paths": [f"/api/v{version}/resource-{number}/"],
                "methods": ["GET", "POST"],
                "strip_path": True,
                "preserve_host": False,
                "tags": ["public"],
            }
            for version in range(5)
        ],
    }


def cost(command: list[str], cache: str) -> Cost:
    """Run a command several times; return the least of each number."""
    # An installed package comes with compiled modules; a checkout that may not write them would be compiled
    # anew by every process.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    runs = [_run(command, environment) for _ in range(ROUNDS)]
    return Cost(*(min(values) for values in zip(*runs, strict=True)))


def _run(command: list[str], environment: dict[str, str]) -> Cost:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with {process.returncode}")
    wall_s = time.perf_counter() - began
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def measure() -> list[Result]:
    """Return all numbers with their limits."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kong.yaml"
        # In a process of its own: a child's peak memory is at first that of its parent.
        subprocess.run([*GENERATE, str(file)], check=True)
        size_bytes = file.stat().st_size
        flawed = Path(folder) / "flawed.yaml"
        flawed.write_text(file.read_text().replace("/resource-0/", "/resource-0", 1))
        example = cost([*VALIDATE, str(EXAMPLE)], folder)
        told = cost([*VALIDATE, str(flawed)], folder)
        large = cost([*VALIDATE, str(file)], folder)
        bare = cost([*BARE_LOAD, str(file)], folder)
        interpreter = cost(BARE_INTERPRETER, folder)
    own_bytes = large.memory_bytes - example.memory_bytes
    told_bytes = told.memory_bytes - example.memory_bytes
    all_bytes = large.memory_bytes - interpreter.memory_bytes
    return [
        Result(f"large file ({size_bytes / 1e6:.1f} MB), wall", large.wall_s, MAX_LARGE_S, "s"),
        Result("large file, CPU", large.cpu_s, MAX_LARGE_S, "s"),
        Result("large file, times a bare load", large.wall_s / bare.wall_s, MAX_TIMES_BARE, "x"),
        Result("large file, its memory in sizes of it", own_bytes / size_bytes, MAX_TIMES_SIZE, "x"),
        Result("with a finding, memory in sizes of it", told_bytes / size_bytes, MAX_TIMES_SIZE, "x"),
        Result(
            "large file's memory with all imports", all_bytes / size_bytes, MAX_TIMES_SIZE_WITH_IMPORTS, "x"
        ),
        Result("example, wall", example.wall_s, MAX_EXAMPLE_S, "s"),
        Result("example, CPU", example.cpu_s, MAX_EXAMPLE_S, "s"),
    ]


def main() -> int:
    """Print the numbers; with --check, tell by the exit code whether all are within their limits."""
    results = measure()
    for name, value, limit, unit in results:
        print(f"{name:42} {value:8.3f} {unit}   (limit {limit:g} {unit})")
    over = [result for result in results if result.value > result.limit]
    return 1 if over and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
