"""The example against real httpbin processes: limit, cache, balancing, and a plugin switched on live."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.test_example import example_with_ports
from tests.support.client import fetch
from tests.support.gateway import START_TIMEOUT_S, Gateway, write_atomically
from tests.support.ports import free_ports
from tests.support.wire import Response

HTTPBIN_START_TIMEOUT_S = 60.0


@contextmanager
def httpbin(port: int, folder: Path) -> Iterator[None]:
    """Run httpbin under gunicorn."""
    with (folder / f"httpbin-{port}.log").open("w") as log:
        command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4"]
        command += ["--worker-tmp-dir", str(folder), "httpbin:app"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait_for_answer(port, process)
            yield
        finally:
            process.terminate()
            process.wait()


def _wait_for_answer(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + HTTPBIN_START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "httpbin ended"
        try:
            fetch(port, "/status/200")
            return
        except OSError:
            time.sleep(0.05)  # There is no event to wait for: httpbin is not ours.
    raise AssertionError("httpbin does not answer")


@pytest.fixture(scope="module")
def httpbin_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    folder = tmp_path_factory.mktemp("httpbin")
    ports = free_ports(2)
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(httpbin(port, folder))
        yield ports


@pytest.fixture
def config(tmp_path: Path, httpbin_ports: list[int]) -> Path:
    file = tmp_path / "kong.yaml"
    file.write_text(example_with_ports(httpbin_ports))
    return file


@pytest.fixture
def gateway(config: Path) -> Iterator[Gateway]:
    with Gateway(config) as gateway:
        yield gateway


def in_one_minute(gateway: Gateway, targets: list[str]) -> list[Response]:
    """Fetch the targets within one window of the limit, from an address that has not been counted in it."""
    for last in range(2, 5):
        minute = int(time.time() // 60)
        responses = [gateway.fetch(target, source_ip=f"127.0.0.{last}") for target in targets]
        if int(time.time() // 60) == minute:
            return responses
    raise AssertionError("six requests took longer than a minute, twice")


def test_requests_alternate_and_the_sixth_is_refused(gateway: Gateway, httpbin_ports: list[int]) -> None:
    *allowed, refused = in_one_minute(gateway, ["/mock/get"] * 6)

    # httpbin tells the Host it saw; an address as target makes that the target itself.
    hosts = [json.loads(response.body)["headers"]["Host"] for response in allowed]
    assert {response.status for response in allowed} == {200}
    assert set(hosts) == {f"127.0.0.1:{port}" for port in httpbin_ports}
    assert all(a != b for a, b in pairwise(hosts)), hosts
    assert {response.get("X-Cache-Status") for response in allowed} == {"Bypass"}, "no charset in its type"
    for number, response in enumerate(allowed, start=1):
        assert response.get("X-RateLimit-Limit-Minute") == "5"
        assert response.get("X-RateLimit-Remaining-Minute") == str(5 - number)
        assert response.get("RateLimit-Limit") == "5"
        assert response.get("RateLimit-Remaining") == str(5 - number)
        assert 1 <= int(response.get("RateLimit-Reset") or 0) <= 60

    assert refused.status == 429
    assert json.loads(refused.body) == {
        "message": "API rate limit exceeded",
        "request_id": refused.get("X-Kong-Request-Id"),
    }
    assert refused.get("X-RateLimit-Remaining-Minute") == "0"
    assert refused.get("RateLimit-Remaining") == "0"
    assert refused.get("Retry-After") == refused.get("RateLimit-Reset")


def test_identical_json_is_served_from_the_cache(gateway: Gateway, config: Path) -> None:
    """httpbin names no charset, so its type first joins the list, by an edit of the running file."""
    before = gateway.status()["configuration_hash"]
    old = "        - application/json; charset=utf-8\n"
    write_atomically(config, config.read_text().replace(old, old + "        - application/json\n"))
    gateway.wait_for_configuration(before)

    first, second, other = in_one_minute(gateway, ["/mock/get?a=1", "/mock/get?a=1", "/mock/get?a=2"])

    statuses = [response.get("X-Cache-Status") for response in (first, second, other)]
    assert statuses == ["Miss", "Hit", "Miss"]
    assert first.body == second.body
    assert int(second.get("Age") or -1) >= 0
    assert second.get("X-RateLimit-Remaining-Minute") == "3", "the limit counts hits too"


def test_switching_key_auth_on_is_live_without_restart(gateway: Gateway, config: Path) -> None:
    assert gateway.fetch("/mock/get", source_ip="127.0.0.10").status == 200
    pids = gateway.worker_pids()

    write_atomically(config, config.read_text().replace("enabled: false", "enabled: true"))
    response = _first_refusal(gateway)

    assert response.status == 401
    assert json.loads(response.body)["message"] == "No API key found in request"
    assert (response.get("WWW-Authenticate") or "").startswith("Key")
    assert gateway.worker_pids() == pids, "no restart"
    wrong = gateway.fetch("/mock/get", headers=[("apikey", "wrong")], source_ip="127.0.0.12")
    assert wrong.status == 401
    right = gateway.fetch("/mock/get", headers=[("apikey", "example-key")], source_ip="127.0.0.12")
    assert right.status == 200
    seen = json.loads(right.body)["headers"]
    assert seen["X-Consumer-Username"] == "example_consumer"
    assert seen["X-Consumer-Custom-Id"] == "example_consumer_id"


def _first_refusal(gateway: Gateway) -> Response:
    """Ask until a request is refused for want of a key, from ever new addresses because of the limit.

    An idle machine shows the edit after about 0.4 s; the deadline only ends a hang.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    last = 20
    while (response := gateway.fetch("/mock/get", source_ip=f"127.0.1.{last}")).status != 401:
        assert time.monotonic() < deadline, f"still {response.status}\n{gateway.log}"
        gateway.log.pause(0.05)
        last = last % 250 + 1
    return response
