"""What plugins add: our gateway with each set of plugins beside the same gateway without any, in one interleaved run.

    python -m benchmarks.load_plugins                         every set, pure Python
    python -m benchmarks.load_plugins --python PYTHON jwt     one set, with the build of another environment

The figure is CPU time per request as a ratio to plain proxying in the same round. A limit that is missed is marked.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from benchmarks import record
from benchmarks.load_contenders import Contender, backend, gateway
from benchmarks.load_measure import KEY_HEADER, Run, measure, write_wrk_script

PLAIN = "plain"
WARM_UP_S = 1.0
CONNECTIONS = 32
JWT_KEY, JWT_SECRET = "benchmark", "a secret of thirty-two characters"
NO_LIMIT = 1_000_000_000

_KEY_AUTH = {"name": "key-auth"}
_METRICS = {
    "name": "prometheus",
    "config": dict.fromkeys(
        ("status_code_metrics", "latency_metrics", "bandwidth_metrics", "per_consumer"), True
    ),
}
_RATE_LIMITING = {"name": "rate-limiting", "config": {"minute": NO_LIMIT, "policy": "local"}}


@dataclass(frozen=True, slots=True)
class PluginSet:
    """Plugins that are on for every request, and what they may cost as a ratio to plain proxying."""

    name: str
    plugins: tuple[Mapping[str, Any], ...] = ()
    limit: float | None = None


def plugin_sets(folder: Path, http_port: int, udp_port: int) -> tuple[PluginSet, ...]:
    """Return every set; log files go to the folder, other logs to the ports."""
    return (
        PluginSet(PLAIN),
        PluginSet("key-auth", (_KEY_AUTH,), 1.2),
        PluginSet("rate-limiting", (_RATE_LIMITING,), 1.2),
        PluginSet(
            "four", (_KEY_AUTH, _RATE_LIMITING, {"name": "correlation-id"}, {"name": "prometheus"}), 1.6
        ),
        # With its defaults, prometheus counts nothing per request.
        PluginSet("four-metrics", (_KEY_AUTH, _RATE_LIMITING, {"name": "correlation-id"}, _METRICS), 1.6),
        PluginSet("jwt", ({"name": "jwt"},), 1.6),
        PluginSet("jwt-cached", ({"name": "jwt", "config": {"token_cache": 1000}},), 1.25),
        PluginSet(
            "proxy-cache",
            (
                {
                    "name": "proxy-cache",
                    "config": {
                        "strategy": "memory",
                        "content_type": ["text/plain; charset=UTF-8", "text/plain"],
                    },
                },
            ),
            0.7,
        ),
        PluginSet(
            "file-log", ({"name": "file-log", "config": {"path": str(folder / "requests.log")}},), 1.15
        ),
        PluginSet(
            "http-log",
            (
                {
                    "name": "http-log",
                    "config": {
                        "http_endpoint": f"http://127.0.0.1:{http_port}/log",
                        # As the default has it, a request for each record, no server keeps up with this load.
                        "queue": {"max_batch_size": 1000},
                    },
                },
            ),
            1.15,
        ),
        PluginSet("udp-log", ({"name": "udp-log", "config": {"host": "127.0.0.1", "port": udp_port}},), 1.15),
    )


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="dbless-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        port = stack.enter_context(backend(folder))
        # Nobody reads it: datagrams that find it full are dropped, and no sender notices.
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        known = plugin_sets(folder, port, datagrams.getsockname()[1])
        wanted = [one for one in known if one.name in (PLAIN, *arguments.sets) or not arguments.sets]
        contenders = [_start(stack, one, folder, port, arguments.python) for one in wanted]
        script = folder / "requests.lua"
        token = jwt.encode({"iss": JWT_KEY}, JWT_SECRET, algorithm="HS256")
        write_wrk_script(script, ["/route/index"], headers=(("Authorization", f"Bearer {token}"),))
        for contender in contenders:
            measure(contender, script, WARM_UP_S, CONNECTIONS)
        rounds = [
            {one.name: measure(one, script, arguments.seconds, CONNECTIONS) for one in contenders}
            for _ in range(arguments.rounds)
        ]
    results = {one.name: _figures(one, rounds) for one in wanted}
    print(f"{'':14}{'CPU us/request':>16}{'x plain':>9}{'limit':>7}")
    for one in wanted:
        row = results[one.name]
        missed = one.limit is not None and row["ratio_to_plain"] > one.limit
        limit = "" if one.limit is None else f"{one.limit:.2f}"
        print(
            f"{one.name:14}{row['cpu_us_per_request']:16.1f}{row['ratio_to_plain']:9.2f}{limit:>7}"
            + (" missed" if missed else "")
        )
    if not arguments.dry:
        build = {"python": str(arguments.python.name) if arguments.python else "pure", "sets": results}
        file = record.save(
            build, prefix="plugins-", packages=("uvloop", "httptools", "PyJWT"), programs=("nginx", "wrk")
        )
        print(f"written to {file}")


def _start(stack: ExitStack, one: PluginSet, folder: Path, port: int, python: Path | None) -> Contender:
    config = folder / f"{one.name}.yaml"
    route = {"name": "route", "paths": ["/route"]}
    document = {
        "_format_version": "3.0",
        "services": [{"name": "backend", "url": f"http://127.0.0.1:{port}", "routes": [route]}],
        "plugins": list(one.plugins),
        "consumers": [
            {
                "username": "bench",
                "keyauth_credentials": [{"key": KEY_HEADER[1]}],
                "jwt_secrets": [{"key": JWT_KEY, "secret": JWT_SECRET}],
            }
        ],
    }
    config.write_text(json.dumps(document))
    return stack.enter_context(gateway(one.name, config, python))


def _figures(one: PluginSet, rounds: list[dict[str, Run]]) -> dict[str, float]:
    own = [runs[one.name].cpu_us_per_request for runs in rounds]
    plain = [runs[PLAIN].cpu_us_per_request for runs in rounds]
    ratios = [mine / other for mine, other in zip(own, plain, strict=True)]
    return {
        "cpu_us_per_request": round(statistics.median(own), 2),
        "ratio_to_plain": round(statistics.median(ratios), 3),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load_plugins")
    parser.add_argument("sets", nargs="*", help="some of the sets; plain proxying is always measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load per set and round")
    parser.add_argument(
        "--python",
        type=lambda text: Path(text).absolute(),
        help="interpreter of an environment with another build, such as the compiled wheel",
    )
    parser.add_argument("--dry", action="store_true", help="write no result file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
