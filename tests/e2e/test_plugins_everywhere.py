"""Plugins that limit and mark traffic, configured above a route: on requests that no route takes, and counted
over several routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.config import service, write
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection

BY_IP = {"year": 100, "limit_by": "ip"}
CONSUMERS: list[dict[str, Any]] = [
    {
        "username": "alice",
        "keyauth_credentials": [{"key": "alices-key"}],
        "plugins": [{"name": "rate-limiting", "config": {"year": 50}}],
    }
]
COSTS = {"limits": {"video": {"year": 100}}, "limit_by": "ip"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    def two_routes(origin: Origin, path: str, *plugins: dict[str, Any]) -> dict[str, Any]:
        made = service(origin.address, path, plugins=list(plugins))
        made["routes"].append({"name": f"second-{path[1:]}", "paths": [f"/second{path}"]})
        return made

    with Origin(answer) as origin:
        file = write(
            tmp_path_factory.mktemp("everywhere"),
            two_routes(origin, "/by-service"),
            two_routes(origin, "/by-ip", {"name": "rate-limiting", "config": BY_IP}),
            two_routes(origin, "/costs", {"name": "response-ratelimiting", "config": COSTS}),
            two_routes(origin, "/keys", {"name": "key-auth"}),
            two_routes(
                origin,
                "/hidden",
                {
                    "name": "rate-limiting",
                    "config": {
                        "year": 1,
                        "hide_client_headers": True,
                        "error_code": 503,
                        "error_message": "later",
                    },
                },
            ),
            plugins=[
                {"name": "correlation-id", "config": {"header_name": "X-Id", "echo_downstream": True}},
                {"name": "cors"},
                {"name": "response-transformer", "config": {"add": {"headers": ["X-Z:1"]}}},
                {"name": "rate-limiting", "config": {"year": 1000, "limit_by": "service"}},
            ],
            consumers=CONSUMERS,
        )
        with Gateway(file, environment={"KONG_TRUSTED_IPS": "127.0.0.1"}) as running:
            yield running
        assert "Traceback" not in str(running.log)


def answer(connection: OriginConnection) -> None:
    connection.receive()
    connection.answer(b"origin", headers=(("X-Kong-Limit", "video=1"),))


def remaining(gateway: Gateway, path: str, name: str = "Year", **headers: str) -> int:
    sent = [(key.replace("_", "-"), value) for key, value in headers.items()]
    return int(gateway.fetch(path, headers=sent).get(f"X-RateLimit-Remaining-{name}") or -1)


def test_a_request_that_no_route_takes(gateway: Gateway) -> None:
    """Only what looks at responses runs, and correlation-id makes an id then."""
    response = gateway.fetch("/nowhere")

    assert (response.status, response.get("X-Z")) == (404, "1")
    assert response.get("Access-Control-Allow-Origin") == "*"
    assert re.fullmatch(r"[0-9a-f-]{36}#\d+", response.get("X-Id") or "")
    assert response.get("X-RateLimit-Limit-Year") is None


def test_a_global_limit_by_service(gateway: Gateway) -> None:
    first = remaining(gateway, "/by-service", X_Real_IP="10.0.0.1")

    assert remaining(gateway, "/second/by-service", X_Real_IP="10.0.0.2") == first - 1


def test_a_limit_by_the_forwarded_address(gateway: Gateway) -> None:
    paths = ("/by-ip", "/second/by-ip")

    assert [remaining(gateway, path, X_Real_IP="10.0.0.1") for path in paths] == [99, 98]
    assert remaining(gateway, "/by-ip", X_Real_IP="10.0.0.2") == 99


def test_a_limit_of_costs_over_the_routes_of_a_service(gateway: Gateway) -> None:
    paths = ("/costs", "/second/costs")

    assert [remaining(gateway, path, "video-year") for path in paths] == [99, 98]


def test_a_consumers_limit_over_all_routes(gateway: Gateway) -> None:
    paths = ("/keys", "/second/keys")

    assert [remaining(gateway, path, apikey="alices-key") for path in paths] == [49, 48]


def test_a_refusal_without_headers(gateway: Gateway) -> None:
    allowed, refused = gateway.fetch("/hidden"), gateway.fetch("/second/hidden")

    assert (allowed.status, refused.status) == (200, 503)
    assert b"later" in refused.body
    shown = [name for name in (*allowed.names, *refused.names) if re.search("(?i)ratelimit|retry", name)]
    assert shown == []
