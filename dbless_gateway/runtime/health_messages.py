"""What workers and the health registry say to each other over the bus: topics and payloads.

Payloads are tuples of plain values, because they are pickled and some are sent per failed request.
"""

from __future__ import annotations

from typing import NamedTuple

REPORT_TOPIC = "health.report"  # worker -> registry: PassiveReport, or SYNC
STATE_TOPIC = "health.state"  # registry -> workers: StateChange

# A worker that has just started asks for every state that is not the initial one.
SYNC = "sync"


class Address(NamedTuple):
    """What is checked: an address under the name that the target is asked by."""

    host: str
    ip: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}({self.ip}:{self.port})"


class PassiveReport(NamedTuple):
    """How a request at an address ended, when that can change something."""

    upstream_id: str
    address: Address
    report: str  # a value of balancing.health.Report, or TRIAL_PASSED
    status: int  # 0 when no response came


# In place of a state: let one request through to an unhealthy address. Workers report how it went as
# TRIAL_PASSED, or as any failure.
TRIAL = "trial"
TRIAL_PASSED = "trial_passed"


class StateChange(NamedTuple):
    """An address is in another state now."""

    upstream_id: str
    address: Address
    state: str  # of balancing.health, or TRIAL
