"""The steps of plugins as they run for an exchange, by phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dbless_gateway.config.records import dataclass

# A step is one handler's bound method of one phase. The context is the proxy's exchange.
Step = Callable[[Any], Any]
BodyStep = Callable[[Any, bytes, bool], "bytes | None"]


@dataclass(frozen=True, slots=True)
class Chain:
    """The steps that one exchange takes, by phase, each in priority order.

    ``access`` is slot-aligned within a route: position n belongs to the same plugin name in every chain of
    the route, so a chain can be exchanged while it runs. The others hold only what exists.
    """

    access: tuple[Step, ...] = ()
    header_filter: tuple[Step, ...] = ()
    body_filter: tuple[BodyStep, ...] = ()
    log: tuple[Step, ...] = ()
    needs_request_body: bool = False  # some handler wants the whole body before access
    changes_body: bool = False  # some body_filter may change the length
    response: tuple[Step, ...] = ()  # with any of these, the target's response is held back
    reads_body: bool = False  # some step of the response's side wants to see its body
