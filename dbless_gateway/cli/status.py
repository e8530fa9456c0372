"""dbless-gateway status: what a running gateway serves, since when, with which workers, to which targets.

Exit codes: 0 it serves, 1 it answers but does not serve (draining, no worker), 4 no gateway answers.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from dbless_gateway.cli.node_address import EXIT_NO_GATEWAY, NoGateway, add_address_flags, ask

EXIT_NOT_SERVING = 1

_WORDS = {"HEALTHY": "healthy", "UNHEALTHY": "unhealthy", "HEALTHCHECKS_OFF": "not checked"}
_WELL = frozenset({"HEALTHY", "HEALTHCHECKS_OFF"})


def main(argv: list[str]) -> int:
    """Print the status."""
    parser = argparse.ArgumentParser(
        prog="dbless-gateway status", description="Tell what a running gateway serves."
    )
    add_address_flags(parser)
    parser.add_argument("--json", action="store_true", help="print the answer of GET /status as it is")
    arguments = parser.parse_args(argv)
    try:
        _, status = ask(arguments, "GET", "/status?upstreams=1")
    except NoGateway as error:
        print(f"dbless-gateway status: {error}", file=sys.stderr)
        return EXIT_NO_GATEWAY
    print(json.dumps(status, indent=2) if arguments.json else _text(status))
    return 0 if _serves(status) else EXIT_NOT_SERVING


def _serves(status: dict[str, Any]) -> bool:
    return not status["node"]["draining"] and any(w["state"] == "serving" for w in status["workers"])


def _text(status: dict[str, Any]) -> str:
    configuration, server = status["configuration"], status["server"]
    load = configuration["last_load"]
    lines = [
        f"node           {status['node']['id']} (pid {status['node']['pid']})",
        f"configuration  {configuration['hash']}, since {_clock(configuration['since'])}",
    ]
    if status["node"]["draining"]:
        lines[0] += ", draining: not ready any more"
    if configuration["is_last_good"]:
        lines[1] += ": the last good one, since the files are invalid"
    if load and load["outcome"] == "rejected":
        lines.append(f"last reload    rejected at {_clock(load['at'])}:")
        lines += [f"               {problem}" for problem in load["problems"]]
    lines.append(f"requests       {server['total_requests']}, connections {server['connections_active']}")
    for worker in status["workers"]:
        state = f"{worker['state']}, pid {worker['pid']}, since {_clock(worker['started_at'])}"
        lines.append(f"worker {worker['index']:<8}{state}, {worker['restarts']} restarts")
    lines += _upstream_lines(status.get("upstreams", []))
    return "\n".join(lines)


def _upstream_lines(upstreams: list[dict[str, Any]]) -> Iterator[str]:
    """Count the upstreams by health, and name those with a target that is not well."""
    if not upstreams:
        return
    counts = Counter(_WORDS.get(upstream["health"], upstream["health"]) for upstream in upstreams)
    yield f"upstreams      {', '.join(f'{count} {word}' for word, count in sorted(counts.items()))}"
    for upstream in upstreams:
        unwell = [f"{name} {word}" for name, word in upstream["targets"].items() if word not in _WELL]
        if unwell:
            yield f"               {upstream['name']} {upstream['health']}: {', '.join(unwell)}"


def _clock(at: float | None) -> str:
    return "never" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
