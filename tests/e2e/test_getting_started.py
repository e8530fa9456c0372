"""The walks of Kong's getting-started documents, with the commands as they are printed there.

Services and routes, rate limiting, proxy caching, key authentication, each with curl and with HTTPie; load
balancing is in ``test_admin_walks.py``. Only the site that the documents call is one of the test's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.config import service
from tests.support.config import write as write_config
from tests.support.gateway import Gateway
from tests.support.origin import Origin, OriginConnection
from tests.support.printed_commands import Shell

pytestmark = pytest.mark.slow

TOOLS = ("curl", "http")
MOCK = {"curl": "curl -i http://localhost:8000/mock/anything", "http": "http :8000/mock/anything"}
# A minute may end between two requests, and then the count begins anew.
MOST_REQUESTS = 12

SERVICES = {
    "curl": [
        "curl -i -s -X POST http://localhost:8001/services"
        " --data name=example_service --data url='http://{site}'",
        "curl -X GET http://localhost:8001/services/example_service",
        "curl --request PATCH --url localhost:8001/services/example_service --data retries=6",
        "curl -X GET http://localhost:8001/services",
        "curl -i -X POST http://localhost:8001/services/example_service/routes"
        " --data 'paths[]=/mock' --data name=example_route",
        "curl -X GET http://localhost:8001/services/example_service/routes/example_route",
        "curl --request PATCH --url localhost:8001/services/example_service/routes/example_route"
        ' --data tags="tutorial"',
        "curl http://localhost:8001/routes",
    ],
    "http": [
        "http POST :8001/services name=example_service url='http://{site}'",
        "http :8001/services/example_service",
        "http PATCH :8001/services/example_service retries:=6",
        "http :8001/services",
        "http POST :8001/services/example_service/routes paths:='[\"/mock\"]' name=example_route",
        "http :8001/services/example_service/routes/example_route",
        "http PATCH :8001/services/example_service/routes/example_route tags:='[\"tutorial\"]'",
        "http :8001/routes",
    ],
}
# Not empty, because a node without a configuration is never ready.
FIRST_FILE = """\
_format_version: "3.0"
consumers:
  - username: somebody
"""
# What the walk writes down.
SERVICES_FILE = f"""\
{FIRST_FILE}services:
  - name: example_service
    url: http://{{site}}
    retries: 6
    routes:
      - paths:
          - /mock
        name: example_route
        tags:
          - tutorial
"""

LIMITS = {
    "curl": [
        "curl -i -X POST http://localhost:8001/plugins"
        " --data name=rate-limiting --data config.minute=5 --data config.policy=local",
        "curl -X POST http://localhost:8001/services/example_service/plugins"
        ' --data "name=rate-limiting" --data config.minute=5 --data config.policy=local',
        "curl -X POST http://localhost:8001/routes/example_route/plugins"
        ' --data "name=rate-limiting" --data config.minute=5 --data config.policy=local',
        "curl -X POST http://localhost:8001/consumers/ --data username=jsmith",
        "curl -X POST http://localhost:8001/consumers/jsmith/plugins"
        ' --data "name=rate-limiting" --data config.second=5',
    ],
    "http": [
        "http -f POST :8001/plugins name=rate-limiting config.minute=5 config.policy=local",
        "http -f POST :8001/services/example_service/plugins"
        " name=rate-limiting config.minute=5 config.policy=local",
        "http -f POST :8001/routes/example_route/plugins"
        " name=rate-limiting config.minute=5 config.policy=local",
        "http -f POST :8001/consumers/ username=jsmith",
        "http -f POST :8001/consumers/jsmith/plugins name=rate-limiting config.second=5",
    ],
}

_CACHE = (
    "name=proxy-cache",
    "config.request_method=GET",
    "config.response_code=200",
    "config.content_type=application/json",
    "config.cache_ttl=30",
    "config.strategy=memory",
)
CACHING = {
    "curl": [
        f"curl -i -X POST http://localhost:8001/{path} " + " ".join(f'--data "{field}"' for field in _CACHE)
        for path in ("plugins", "services/example_service/plugins", "routes/example_route/plugins")
    ],
    "http": [
        f"http -f POST :8001/{path} " + " ".join(_CACHE)
        for path in ("plugins", "services/example_service/plugins", "routes/example_route/plugins")
    ],
}

KEYS = {
    "curl": [
        "curl -i -X POST http://localhost:8001/consumers/ --data username=luka",
        "curl -i -X POST http://localhost:8001/consumers/luka/key-auth --data key=top-secret-key",
        'curl -X POST http://localhost:8001/plugins/ --data "name=key-auth" --data "config.key_names=apikey"',
        "curl -X POST http://localhost:8001/services/example_service/plugins --data name=key-auth",
        "curl -X POST http://localhost:8001/routes/example_route/plugins --data name=key-auth",
    ],
    "http": [
        "http POST :8001/consumers/ username=luka",
        "http POST :8001/consumers/luka/key-auth key=top-secret-key",
        "http -f POST :8001/plugins/ name=key-auth config.key_names=apikey",
        "http POST :8001/services/example_service/plugins name=key-auth",
        "http POST :8001/routes/example_route/plugins name=key-auth",
    ],
}


def answer_with_json(connection: OriginConnection) -> None:
    connection.receive()
    connection.answer(b'{"site": true}', headers=(("Content-Type", "application/json"),))


@contextmanager
def walking(folder: Path, *, is_prepared: bool = True) -> Iterator[tuple[Shell, Gateway, Origin]]:
    """Run a gateway that may be written to; a prepared one has what the first walk leaves behind."""
    with Origin(answer_with_json) as origin:
        if is_prepared:
            example = service(origin.address, name="example_service")
            example["routes"] = [{"name": "example_route", "paths": ["/mock"]}]
            file = write_config(folder, example)
        else:
            file = folder / "kong.yaml"
            file.write_text(FIRST_FILE)
        with Gateway(file, workers=2, flags=("--admin-write", "on")) as gateway:
            yield Shell(gateway, folder), gateway, origin


@pytest.mark.parametrize("tool", TOOLS)
def test_services_and_routes(tool: str, tmp_path: Path) -> None:
    with walking(tmp_path, is_prepared=False) as (shell, _, origin):
        said = [shell.run(command.format(site=origin.address)) for command in SERVICES[tool]]
        assert " 201 Created" in said[0]
        assert '"retries":5' in said[1]
        assert '"retries":6' in said[2]
        assert '"example_service"' in said[3]
        assert " 201 Created" in said[4]
        assert '"paths":["/mock"]' in said[5]
        assert '"tags":["tutorial"]' in said[6]
        assert '"example_route"' in said[7]
        assert '{"site": true}' in shell.run(MOCK[tool])
        assert origin.requests[-1].start_line == "GET /anything HTTP/1.1"
        written = (tmp_path / "kong.yaml").read_text()
        assert written == SERVICES_FILE.format(site=origin.address)


@pytest.mark.parametrize("tool", TOOLS)
def test_rate_limiting(tool: str, tmp_path: Path) -> None:
    with walking(tmp_path) as (shell, gateway, _):
        assert " 201 Created" in shell.run(LIMITS[tool][0])
        shown = shell.run(MOCK[tool])
        assert "RateLimit-Limit: 5" in shown
        assert "X-RateLimit-Remaining-Minute: 4" in shown
        statuses: list[int] = []
        while 429 not in statuses and len(statuses) < MOST_REQUESTS:
            statuses.append(gateway.fetch("/mock/anything").status)
        assert set(statuses[:-1]) == {200}
        assert statuses[-1] == 429
        assert "API rate limit exceeded" in shell.run(MOCK[tool], fails=True)
        for command in LIMITS[tool][1:]:
            shell.run(command)
        shown = json.loads(shell.run("curl http://localhost:8001/plugins"))
        scopes = [{name for name in ("service", "route", "consumer") if row[name]} for row in shown["data"]]
        assert sorted(map(sorted, scopes)) == [[], ["consumer"], ["route"], ["service"]]


@pytest.mark.parametrize("tool", TOOLS)
def test_proxy_caching(tool: str, tmp_path: Path) -> None:
    with walking(tmp_path) as (shell, _, origin):
        assert '"cache_ttl":30' in shell.run(CACHING[tool][0])
        assert "X-Cache-Status: Miss" in shell.run(MOCK[tool])
        assert "X-Cache-Status: Hit" in shell.run(MOCK[tool])
        assert len(origin.requests) == 1
        for command in CACHING[tool][1:]:
            assert '"name":"proxy-cache"' in shell.run(command)


@pytest.mark.parametrize("tool", TOOLS)
def test_key_authentication(tool: str, tmp_path: Path) -> None:
    with walking(tmp_path) as (shell, _, _):
        for command in KEYS[tool]:
            shell.run(command)
        assert "No API key found in request" in shell.run(MOCK[tool], fails=True)
        header = "-H 'apikey:{}'" if tool == "curl" else "apikey:{}"
        denied = shell.run(f"{MOCK[tool]} {header.format('bad-key')}", fails=True)
        assert "401 Unauthorized" in denied
        assert '{"site": true}' in shell.run(f"{MOCK[tool]} {header.format('top-secret-key')}")
