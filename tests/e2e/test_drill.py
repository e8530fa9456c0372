"""The fault drill: targets and workers fail in every way we know while clients keep asking.

Each row sends idempotent requests all the time, does something to one of three targets, waits until the
gateway has noticed, heals it and waits until it is back. What clients saw is compared with what is promised:
nothing at all, or the few requests that were under way. Times are recorded and not judged; run as

    python -m tests.e2e.test_drill

it writes them into ``docs/internals/fault-drill.md``.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.config import service, write
from tests.support.dns_server import dns_server
from tests.support.drill_target import Target
from tests.support.gateway import REPOSITORY, START_TIMEOUT_S, Gateway
from tests.support.load import SteadyLoad

pytestmark = pytest.mark.slow

PAGE = REPOSITORY / "docs" / "internals" / "fault-drill.md"
WORKERS = 2
CLIENTS = 6
NAME = "moving.test"
# Upstreams, and the paths that lead to them.
PLAIN, RETRYING = "plain", "retrying"
# Failures in a row after which passive checks eject.
FAILURES = 3
PROBE_INTERVAL_S = 0.25
# Far above any threshold, and short enough for a failing test to be read today.
NOTICE_TIMEOUT_S = 20.0
# Longer than any pause of a loaded machine, or healthy targets would be ejected, too.
TIMEOUT_MS = 1500
# Answers between two steps, so that each step is met by traffic.
ANSWERS = 60

EJECTED = r"upstream %s: .*:%s\) is unhealthy"
READMITTED = r"upstream %s: .*:%s\) is healthy"


@dataclass(frozen=True)
class Row:
    """What one fault cost."""

    fault: str
    sent: int
    failed: int
    promised: str
    eject_s: float
    recover_s: float


class Drill:
    """A gateway before three targets, one of which is known by name."""

    def __init__(self, gateway: Gateway, targets: list[Target], zone: Zone) -> None:
        self.gateway = gateway
        self.targets = targets
        self.zone = zone

    def run(
        self,
        fault: str,
        promised: str,
        break_it: Callable[[], None],
        heal_it: Callable[[], None],
        port: int,
        upstream: str = PLAIN,
    ) -> Row:
        """Break and heal the target on that port under load."""
        log = self.gateway.log
        with self.load(upstream) as load:
            _await_answers(load)
            logged, began = len(log.lines), time.monotonic()
            break_it()
            log.wait_for(EJECTED % (upstream, port), after=logged, timeout_s=NOTICE_TIMEOUT_S)
            eject_s = time.monotonic() - began
            _await_answers(load)
            logged, began = len(log.lines), time.monotonic()
            heal_it()
            log.wait_for(READMITTED % (upstream, port), after=logged, timeout_s=NOTICE_TIMEOUT_S)
            recover_s = time.monotonic() - began
            _await_answers(load)
        return _row(fault, promised, load, eject_s, recover_s)

    def load(self, upstream: str = PLAIN) -> SteadyLoad[int]:
        """Return clients of the route that leads to this upstream."""
        return SteadyLoad(self.gateway.port, f"/{upstream}", lambda found: found.status, clients=CLIENTS)

    def kill(self) -> Row:
        """Kill a target and start it again."""
        target = self.targets[0]
        return self.run("a target is killed", "none", target.kill, target.start, target.port)

    def freeze(self) -> Row:
        """Stop a target's process: connections are accepted by the kernel, and nothing answers."""
        target = self.targets[0]
        return self.run("a target freezes (SIGSTOP)", "none", target.freeze, target.thaw, target.port)

    def fail(self) -> Row:
        """Let a target answer 500, which is an answer: it is passed on until the target is ejected."""
        promised = f"{FAILURES} in each worker and those under way"
        return self._misbehave("a target answers 500", promised, "500")

    def fail_retried(self) -> Row:
        """The same under ``x_resilience.retry`` with this status."""
        return self._misbehave("a target answers 500, which is retried", "none", "500", RETRYING)

    def reset_in_head(self) -> Row:
        """Let a target reset connections before the response's head is complete."""
        return self._misbehave("a target resets within the head", "none", "head")

    def reset_in_body(self) -> Row:
        """Let a target reset connections after the head: what has begun cannot be taken back."""
        promised = f"{FAILURES} in each worker and those under way"
        return self._misbehave("a target resets within the body", promised, "body")

    def _misbehave(self, fault: str, promised: str, mode: str, upstream: str = PLAIN) -> Row:
        target = self.targets[1]
        return self.run(
            fault,
            promised,
            lambda: target.behave(mode),
            lambda: target.behave("well"),
            target.port,
            upstream,
        )

    def lose_name(self) -> Row:
        """Let a target's name resolve to nothing, and again to its address."""
        with self.load() as load:
            _await_answers(load)
            eject_s = self._settle({})
            _await_answers(load)
            recover_s = self._settle({(NAME, "A"): ["127.0.0.1"]})
            _await_answers(load)
        return _row("a name resolves to nothing", "none", load, eject_s, recover_s)

    def _settle(self, records: dict[tuple[str, str], list[str]]) -> float:
        """Change the zone and wait until each resolver has asked for it anew."""
        began = time.monotonic()
        self.zone.change(records)
        self.zone.wait_for_questions(WORKERS + 1)
        return time.monotonic() - began

    def kill_worker(self) -> Row:
        """Kill a worker: what it had under way is lost, and nothing else."""
        log = self.gateway.log
        with self.load() as load:
            _await_answers(load)
            (victim, *_) = self.gateway.worker_pids()
            logged, began = len(log.lines), time.monotonic()
            os.kill(victim, signal.SIGKILL)
            log.wait_for("a worker ended and is replaced", after=logged, timeout_s=NOTICE_TIMEOUT_S)
            eject_s = time.monotonic() - began
            while not self._all_serve(victim):
                log.pause(0.05)
            recover_s = time.monotonic() - began
            _await_answers(load)
        return _row("a worker is killed", "those under way in it", load, eject_s, recover_s)

    def _all_serve(self, victim: int) -> bool:
        workers = self.gateway.status()["workers"]
        return all(worker["state"] == "serving" and worker["pid"] != victim for worker in workers)


class Zone:
    """A name server in a thread, whose zone the drill changes."""

    def __init__(self) -> None:
        self.port = 0
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._started.wait(START_TIMEOUT_S)

    async def _serve(self) -> None:
        async with dns_server() as self._server:
            self._server.zone = {(NAME, "A"): ["127.0.0.1"]}
            self._server.ttl_s = 1
            self.port = self._server.address[1]
            self._started.set()
            await self._ending.wait()

    def change(self, records: dict[tuple[str, str], list[str]]) -> None:
        """Let the zone be this, and count questions from here."""

        def change() -> None:
            self._server.zone = records
            self._server.asked.clear()

        asyncio.run_coroutine_threadsafe(_call(change), self._loop).result(START_TIMEOUT_S)

    def wait_for_questions(self, count: int) -> None:
        """Return when the name was asked for that often."""

        async def wait() -> None:
            while self._server.asked[NAME, "A"] < count:
                await self._server.question()

        asyncio.run_coroutine_threadsafe(wait(), self._loop).result(START_TIMEOUT_S)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        self._loop.close()


async def _call(change: Callable[[], None]) -> None:
    change()


def _await_answers(load: SteadyLoad[int]) -> None:
    wanted = load.count + ANSWERS
    deadline = time.monotonic() + START_TIMEOUT_S
    while load.count < wanted:
        assert time.monotonic() < deadline, load.failures
        threading.Event().wait(0.01)


def _row(fault: str, promised: str, load: SteadyLoad[int], eject_s: float, recover_s: float) -> Row:
    statuses = [status for seen in load.observations for status in seen]
    failed = len(load.failures) + sum(status != 200 for status in statuses)
    return Row(fault, len(statuses) + len(load.failures), failed, promised, eject_s, recover_s)


@contextmanager
def drill_in(folder: Path) -> Iterator[Drill]:
    """Set the drill up."""
    with ExitStack() as stack:
        targets = [stack.enter_context(Target()) for _ in range(3)]
        zone = Zone()
        stack.callback(zone.close)
        addresses = [targets[0].address, targets[1].address, f"{NAME}:{targets[2].port}"]
        timeouts: dict[str, Any] = {
            "read_timeout": TIMEOUT_MS,
            "connect_timeout": TIMEOUT_MS,
            "write_timeout": TIMEOUT_MS,
        }
        upstream = {
            "healthchecks": _checks(),
            "targets": [{"target": address} for address in addresses],
        }
        file = write(
            folder,
            *(service(f"{name}:80", f"/{name}", **timeouts) for name in (PLAIN, RETRYING)),
            upstreams=[
                upstream | {"name": PLAIN},
                upstream | {"name": RETRYING, "x_resilience": {"retry": {"statuses": [500]}}},
            ],
        )
        environment = {
            "KONG_DNS_RESOLVER": f"127.0.0.1:{zone.port}",
            "KONG_DNS_ORDER": "A",
            "KONG_DNS_NOT_FOUND_TTL": "1",
            "KONG_LOG_LEVEL": "info",
        }
        gateway = stack.enter_context(Gateway(file, workers=WORKERS, environment=environment))
        yield Drill(gateway, targets, zone)


def _checks() -> dict[str, object]:
    unhealthy = {"tcp_failures": FAILURES, "timeouts": FAILURES, "http_failures": FAILURES}
    return {
        "active": {
            "http_path": "/health",
            "timeout": TIMEOUT_MS / 1000,
            "healthy": {"interval": PROBE_INTERVAL_S, "successes": 2},
            "unhealthy": {"interval": PROBE_INTERVAL_S, **unhealthy},
        },
        "passive": {"unhealthy": unhealthy},
    }


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    with drill_in(tmp_path_factory.mktemp("drill")) as drill:
        yield drill


@pytest.mark.parametrize(
    "fault", [Drill.kill, Drill.freeze, Drill.fail_retried, Drill.reset_in_head, Drill.lose_name]
)
def test_clients_notice_nothing(drill: Drill, fault: Callable[[Drill], Row]) -> None:
    assert fault(drill).failed == 0


@pytest.mark.parametrize("fault", [Drill.fail, Drill.reset_in_body])
def test_only_a_few_see_what_cannot_be_repeated(drill: Drill, fault: Callable[[Drill], Row]) -> None:
    assert 0 < fault(drill).failed <= WORKERS * FAILURES + CLIENTS


def test_a_killed_worker_costs_what_it_had_under_way(drill: Drill) -> None:
    assert drill.kill_worker().failed <= CLIENTS


FAULTS = (
    Drill.kill,
    Drill.freeze,
    Drill.fail,
    Drill.fail_retried,
    Drill.reset_in_head,
    Drill.reset_in_body,
    Drill.lose_name,
    Drill.kill_worker,
)

_TABLE = re.compile(r"(?<=<!-- drill -->\n).*?(?=<!-- end -->)", re.DOTALL)


def record() -> None:
    """Run the whole drill and write its table into the page."""
    with tempfile.TemporaryDirectory() as folder, drill_in(Path(folder)) as drill:
        rows = [fault(drill) for fault in FAULTS]
    lines = [
        "| fault | requests sent | failed | promised | noticed after | back after |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row.fault} | {row.sent} | {row.failed} | {row.promised} "
            f"| {row.eject_s:.2f} s | {row.recover_s:.2f} s |"
            for row in rows
        ),
    ]
    PAGE.write_text(_TABLE.sub(lambda match: "\n".join(lines) + "\n", PAGE.read_text()))


if __name__ == "__main__":
    record()
