"""Kong's table of what a target is asked for, from the client's bytes to the target's.

Rows of router.md section 7: service path, route path, strip_path, path_handling, request -> asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbless_gateway.proxy.options import ProxyOptions
from dbless_gateway.rehearsal.question import ask
from tests.support.rehearsing import open_text

ROWS = [
    ("/", "/route", "false", "v0", {"/route": "/route", "/route/": "/route/", "/routereq": "/routereq"}),
    ("/", "/route", "true", "v0", {"/route": "/", "/route/": "/", "/routereq": "/req"}),
    ("/", "/route", "true", "v1", {"/route": "/", "/route/": "/", "/routereq": "/req"}),
    ("/srv", "/rou", "false", "v0", {"/roureq": "/srv/roureq"}),
    ("/srv", "/rou", "false", "v1", {"/roureq": "/srvroureq"}),
    ("/srv", "/rou", "true", "v0", {"/roureq": "/srv/req"}),
    ("/srv", "/rou", "true", "v1", {"/roureq": "/srvreq"}),
    ("/srv/", "/rou", "false", "v0", {"/rou": "/srv/rou"}),
    ("/srv/", "/rou", "true", "v0", {"/rou": "/srv"}),
    ("/srv/", "/rou", "true", "v1", {"/rou": "/srv/"}),
    ("/service", "/", "true", "v0", {"/": "/service", "/route": "/service/route"}),
    ("/service", "/", "true", "v1", {"/": "/service", "/route": "/serviceroute"}),
    ("/service", "/route", "true", "v0", {"/route": "/service", "/route/": "/service/"}),
    ("/service", "/route/", "true", "v0", {"/route/": "/service/", "/route/req": "/service/req"}),
    ("/service", "/route/", "true", "v1", {"/route/": "/service", "/route/req": "/servicereq"}),
    ("/service", "/route", "true", "v0", {"/route./req": "/service/req", "/route%2E/req": "/service/req"}),
    (
        "/service",
        "/route",
        "true",
        "v0",
        {"/route../req": "/service/req", "/route%2e%2E/req": "/service/req"},
    ),
    ("/service", "/route", "true", "v1", {"/route./req": "/servicereq"}),
    ("/service", "/route", "false", "v0", {"/route./req": "/service/route./req"}),
    ("/service", "/route", "false", "v1", {"/route./req": "/serviceroute./req"}),
    (
        "/",
        "/",
        "true",
        "v0",
        {"/?": "/?", "/a?x=%2f&y": "/a?x=%2f&y", "/a%20b": "/a%20b", "/a%2fb": "/a%2Fb"},
    ),
]


def rows() -> Iterator[tuple[str, str, str, str, str, str]]:
    for service, route, strip, handling, requests in ROWS:
        for request, asked in requests.items():
            yield service, route, strip, handling, request, asked


@pytest.mark.parametrize(("service", "route", "strip", "handling", "request_path", "asked"), list(rows()))
def test_target_is_asked_for(
    service: str, route: str, strip: str, handling: str, request_path: str, asked: str
) -> None:
    text = (
        f"services: [{{name: s, url: 'http://h:80{service}', routes: [{{name: r, paths: ['{route}'], "
        f"strip_path: {strip}, path_handling: {handling}}}]}}]\n"
    )
    flavor = "traditional" if handling == "v1" else "traditional_compatible"
    with open_text(text, ProxyOptions(router_flavor=flavor)) as rehearsal:
        request = rehearsal.send(ask("GET", request_path)).target_request

    assert request is not None
    assert request.target == asked
