"""What is measured: configurations of our gateway, and the requests that are sent to every contender.

A scenario is a row of ``SCENARIOS``. Route tables have five routes per service, as large real ones have a
few, and the load cycles through all of them, so that no cache of decisions can look better than it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load_measure import KEY_HEADER

ROUTES_PER_SERVICE = 5


@dataclass(frozen=True, slots=True)
class Scenario:
    """One comparison; a body of 0 bytes stands for a request without one.

    ``resumes``: each request has a TLS connection of its own, which resumes a session.
    """

    name: str
    says: str
    routes: int = 10
    plugins: bool = False
    suffix: str = "/index"
    method: str = "GET"
    body_bytes: int = 0
    tls: bool = False
    resumes: bool = False


SCENARIOS = (
    Scenario("routes-10", "small body, 10 routes"),
    Scenario("routes-1000", "small body, 1,000 routes", routes=1000),
    Scenario("routes-10000", "small body, 10,000 routes", routes=10_000),
    Scenario("plugins", "key-auth and rate-limiting on, 1,000 routes", routes=1000, plugins=True),
    Scenario("download-1m", "response body of 1 MB", suffix="/large"),
    Scenario("upload-1m", "request body of 1 MB", suffix="/upload", method="PUT", body_bytes=1024 * 1024),
    Scenario("tls", "TLS, connections kept, 10 routes", tls=True),
    Scenario("tls-resumed", "TLS, a new connection for each request, resumed", tls=True, resumes=True),
)


def paths(scenario: Scenario) -> list[str]:
    """Return a path for every route."""
    return [_route_path(index) + scenario.suffix for index in range(scenario.routes)]


def write_config(
    file: Path,
    scenario: Scenario,
    backend_port: int,
    marker: str = "",
    plugins: Sequence[dict[str, Any]] = (),
) -> None:
    """Write the gateway's configuration as JSON, which is YAML; the marker only changes its bytes."""
    document: dict[str, Any] = {
        "_format_version": "3.0",
        "services": _services(scenario.routes, backend_port),
    }
    if marker:
        document["services"][0]["tags"] = [marker]
    if scenario.plugins:
        plugins = (
            {"name": "key-auth"},
            {"name": "rate-limiting", "config": {"minute": 1_000_000_000, "policy": "local"}},
            *plugins,
        )
        document["consumers"] = [{"username": "bench", "keyauth_credentials": [{"key": KEY_HEADER[1]}]}]
    if plugins:
        document["plugins"] = list(plugins)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=1))
    fresh.replace(file)


def _services(routes: int, backend_port: int) -> list[dict[str, Any]]:
    """Return the services; a path's last part is what the backend sees, whatever the route."""
    return [
        {
            "name": f"service-{first // ROUTES_PER_SERVICE}",
            "url": f"http://127.0.0.1:{backend_port}",
            "routes": [
                {"name": f"route-{index}", "paths": [_route_path(index)], "strip_path": True}
                for index in range(first, min(first + ROUTES_PER_SERVICE, routes))
            ],
        }
        for first in range(0, routes, ROUTES_PER_SERVICE)
    ]


def _route_path(index: int) -> str:
    return f"/service-{index // ROUTES_PER_SERVICE}/route-{index}"
