"""The health of all addresses of a node: one truth, kept in the process that outlives the workers.

Workers report how requests ended (only what can change something), the prober reports what it saw, people set
states by hand. All of it is counted here; each change of state goes out to the workers, and a bounded
timeline per address says what happened, when and why.

Only addresses about which something was ever reported have a record; every other one is healthy. A record
stays for five minutes after its address was last seen, so that a target which is taken out and put back is
not a fresh one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dbless_gateway.balancing.health import (
    HEALTHY,
    UNHEALTHY,
    Health,
    Report,
    active_rules,
    is_available,
    is_checked,
    passive_rules,
)
from dbless_gateway.config.entities import Healthchecks, Upstream
from dbless_gateway.runtime.bus import Bus
from dbless_gateway.runtime.health_messages import (
    REPORT_TOPIC,
    STATE_TOPIC,
    SYNC,
    TRIAL,
    TRIAL_PASSED,
    Address,
    PassiveReport,
    StateChange,
)

_log = logging.getLogger(__name__)

# A flapping target's last hour is enough to see its pattern; the memory of a thousand targets stays small.
TIMELINE_LENGTH = 32
FORGET_AFTER_S = 300.0
_STATE_TEXT = "upstream %s: %s is %s, was %s (%s, %s)"


class Event(NamedTuple):
    """One entry of a timeline."""

    at: float  # wall clock, seconds
    source: str  # "active", "passive", "manual" or "trial"
    before: str
    after: str
    reason: str


@dataclass(slots=True)
class _Record:
    """What is known about one address."""

    address: Address
    seen_at: float
    health: Health = field(default_factory=Health)
    turned_by: str = ""  # the source of the last event that made it available or not
    trial: asyncio.TimerHandle | None = None  # the next time that one request is let through
    timeline: deque[Event] = field(default_factory=lambda: deque(maxlen=TIMELINE_LENGTH))


class _Checked:
    """One upstream with its checks and the records of its addresses."""

    __slots__ = (
        "active",
        "checks",
        "id",
        "is_configured",
        "is_on",
        "name",
        "passive",
        "records",
        "trial_interval_s",
    )

    def __init__(self, upstream: Upstream) -> None:
        self.id = upstream.id
        self.name = upstream.name
        self.checks = upstream.healthchecks
        self.is_on = is_checked(self.checks)
        self.active = active_rules(self.checks)
        self.passive = passive_rules(self.checks)
        self.records: dict[Address, _Record] = {}
        self.trial_interval_s = upstream.x_resilience.trial_interval if upstream.x_resilience else 0.0
        self.is_configured = True


class HealthRegistry:
    """See the module."""

    def __init__(self, bus: Bus, wall_clock: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._now = wall_clock
        self._upstreams: dict[str, _Checked] = {}
        bus.subscribe(REPORT_TOPIC, self._hear)

    def adopt(self, upstreams: Iterable[Upstream]) -> list[str]:
        """Take over a configuration; what is known stays unless what is checked has become something else.

        Return the names of the upstreams of which something was known that no longer holds.
        """
        gone = self._upstreams
        anew: list[str] = []
        self._upstreams = {}
        for upstream in upstreams:
            new = self._upstreams[upstream.id] = _Checked(upstream)
            old = gone.pop(upstream.id, None)
            if old is not None:
                new.records = old.records
                if _meaning(old.checks) != _meaning(new.checks):
                    if new.records:
                        anew.append(upstream.name)
                    for record in tuple(new.records.values()):
                        self._forget(new, record)
                for record in new.records.values():
                    self._plan_trial(new, record)
        # What is gone may come back; sweep forgets it in time.
        for upstream_id, checked in gone.items():
            checked.is_configured = checked.is_on = False
            self._upstreams[upstream_id] = checked
        return anew

    def known(self) -> int:
        """Return how many addresses of configured upstreams something is known of."""
        return sum(len(checked.records) for checked in self._upstreams.values() if checked.is_configured)

    def is_on(self, upstream_id: str) -> bool:
        """Return whether the upstream's health is checked."""
        checked = self._upstreams.get(upstream_id)
        return checked is not None and checked.is_on

    def state(self, upstream_id: str, address: Address) -> str:
        """Return the state of an address."""
        record = self._record(upstream_id, address)
        return record.health.state if record else HEALTHY

    def is_available(self, upstream_id: str, address: Address) -> bool:
        """Return whether workers may pick the address as far as its health is concerned."""
        return is_available(self.state(upstream_id, address))

    def timeline(self, upstream_id: str, address: Address) -> list[dict[str, Any]]:
        """Return what happened to an address, oldest first, as plain values."""
        record = self._record(upstream_id, address)
        return [event._asdict() for event in record.timeline] if record else []

    def report_probe(self, upstream_id: str, address: Address, report: Report, detail: str) -> None:
        """Count the outcome of an active check; ``detail`` says it in words (``status 503``)."""
        checked = self._upstreams.get(upstream_id)
        if checked is not None and checked.is_on:
            self._count(checked, address, report, "active", detail)

    def report_probe_status(self, upstream_id: str, address: Address, status: int) -> None:
        """Count the status that an active check was answered with."""
        checked = self._upstreams.get(upstream_id)
        report = checked.active.judge(status) if checked else None
        if report is not None:
            self.report_probe(upstream_id, address, report, f"status {status}")

    def set_state(self, upstream_id: str, addresses: Iterable[Address], *, is_healthy: bool) -> bool:
        """Set addresses healthy or unhealthy by hand; False when the upstream's health is not checked."""
        checked = self._upstreams.get(upstream_id)
        if checked is None or not checked.is_on:
            return False
        for address in addresses:
            record = self._record_for_change(checked, address)
            before = record.health.state
            record.health.force(HEALTHY if is_healthy else UNHEALTHY)
            self._note(checked, record, "manual", before, "set by hand")
        return True

    def sweep(self, present: Iterable[tuple[str, Address]]) -> None:
        """Forget addresses that were neither ``present`` nor reported on for five minutes."""
        now = self._now()
        for upstream_id, address in present:
            record = self._record(upstream_id, address)
            if record is not None:
                record.seen_at = now
        for upstream_id, checked in tuple(self._upstreams.items()):
            for record in tuple(checked.records.values()):
                if now - record.seen_at > FORGET_AFTER_S:
                    self._forget(checked, record)
            if not checked.records and not checked.is_configured:
                del self._upstreams[upstream_id]

    def publish_all(self) -> None:
        """Tell every state that is not the initial one."""
        for upstream_id, checked in self._upstreams.items():
            for address, record in checked.records.items():
                if record.health.state != HEALTHY:
                    self._bus.publish(STATE_TOPIC, StateChange(upstream_id, address, record.health.state))

    def _hear(self, message: PassiveReport | str) -> None:
        if not isinstance(message, PassiveReport):
            assert message == SYNC
            self.publish_all()
            return
        upstream_id, address, name, status = message
        checked = self._upstreams.get(upstream_id)
        if checked is not None and checked.is_on:
            if name == TRIAL_PASSED:
                self._readmit(checked, address, status)
                return
            detail = f"status {status}" if status else name.removesuffix("s").replace("_", " ")
            self._count(checked, address, Report(name), "passive", detail)

    def _count(self, checked: _Checked, address: Address, report: Report, source: str, detail: str) -> None:
        limit = (checked.active if source == "active" else checked.passive).limits[report]
        if limit == 0 or (report is Report.SUCCESS and address not in checked.records):
            return
        record = self._record_for_change(checked, address)
        before = record.health.state
        if record.health.take(report, limit):
            reason = f"{detail}: {report.value} {record.health.counts[report]} of {limit}"
            self._note(checked, record, source, before, reason)

    def _note(self, checked: _Checked, record: _Record, source: str, before: str, reason: str) -> None:
        """Put an event on the timeline and tell a change of state."""
        after = record.health.state
        record.timeline.append(Event(self._now(), source, before, after, reason))
        if source == "manual" or is_available(before) != is_available(after):
            record.turned_by = source
            self._plan_trial(checked, record)
        if before == after:
            return
        self._bus.publish(STATE_TOPIC, StateChange(checked.id, record.address, after))
        level = logging.INFO if is_available(before) == is_available(after) else logging.WARNING
        _log.log(level, _STATE_TEXT, checked.name, record.address, after, before, source, reason)

    def _plan_trial(self, checked: _Checked, record: _Record) -> None:
        """Set or cancel the time of the next trial, as the record now demands."""
        if record.trial is not None:
            record.trial.cancel()
            record.trial = None
        # Active checks find out by themselves, and what was set by hand stays so.
        is_due = record.turned_by == "passive" and not is_available(record.health.state)
        if is_due and checked.trial_interval_s > 0:
            loop = asyncio.get_running_loop()
            record.trial = loop.call_later(checked.trial_interval_s, self._offer_trial, checked.id, record)

    def _offer_trial(self, upstream_id: str, record: _Record) -> None:
        """Let one request of each worker through, and again later if nothing comes of it."""
        checked = self._upstreams[upstream_id]
        if checked.is_on:
            state = record.health.state
            record.timeline.append(Event(self._now(), "trial", state, state, "one request is let through"))
            self._bus.publish(STATE_TOPIC, StateChange(upstream_id, record.address, TRIAL))
        self._plan_trial(checked, record)

    def _readmit(self, checked: _Checked, address: Address, status: int) -> None:
        record = checked.records.get(address)
        if record is not None and not is_available(record.health.state):
            before = record.health.state
            record.health.force(HEALTHY)
            self._note(checked, record, "trial", before, f"status {status}: trial passed")

    def _record(self, upstream_id: str, address: Address) -> _Record | None:
        checked = self._upstreams.get(upstream_id)
        return checked.records.get(address) if checked else None

    def _record_for_change(self, checked: _Checked, address: Address) -> _Record:
        record = checked.records.get(address)
        if record is None:
            record = checked.records[address] = _Record(address, self._now())
        record.seen_at = self._now()
        return record

    def _forget(self, checked: _Checked, record: _Record) -> None:
        del checked.records[record.address]
        if record.trial is not None:
            record.trial.cancel()
        if record.health.state != HEALTHY:
            self._bus.publish(STATE_TOPIC, StateChange(checked.id, record.address, HEALTHY))


def _meaning(checks: Healthchecks) -> tuple[object, ...]:
    """Return what a state was found by: intervals and limits may change without making it wrong."""
    active = checks.active
    return (
        is_checked(checks),
        active.type,
        active.http_path,
        active.https_sni,
        active.https_verify_certificate,
        active.headers,
        active.healthy.http_statuses,
        active.unhealthy.http_statuses,
        checks.passive.type,
        checks.passive.healthy.http_statuses,
        checks.passive.unhealthy.http_statuses,
    )
