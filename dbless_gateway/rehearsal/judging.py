"""Playing a case and comparing what happened with what was expected.

Every expectation is one row of a table: how the observed value is found. What differs is told with both
values and, for a route, with the reason that the router gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from dbless_gateway.config.entities import Entities, Plugin, Route, Service
from dbless_gateway.rehearsal.cases import REGEX_MARK, Case, text_of
from dbless_gateway.rehearsal.explanation import judge, who_answered
from dbless_gateway.rehearsal.plugin_chain import instances_of, reached
from dbless_gateway.rehearsal.rehearsal import Outcome, Rehearsal
from dbless_gateway.rehearsal.targets import TargetRequest

_SHOWN_BYTES = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """An expectation that was not met; ``line`` is its place in the test file."""

    what: str
    expected: str
    observed: str
    line: int
    hint: str | None = None

    def sentence(self) -> str:
        """Return it in words."""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.what}: expected {self.expected}, but it is {self.observed}{hint}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a case: passed when there are no differences. ``touched`` is for coverage."""

    case: Case
    differences: tuple[Difference, ...]
    touched: tuple[Route | Plugin, ...]
    bugs: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Tell whether everything is as expected."""
        return not self.differences


def play(rehearsal: Rehearsal, case: Case) -> Verdict:
    """Play a case from the start: nothing is counted or cached."""
    rehearsal.forget(case.at_s)
    touched: dict[str, Route | Plugin] = {}
    for _ in range(case.times):
        outcome = rehearsal.send(case.question, case.answer)
        touched |= {entity.id: entity for entity in _touched(outcome)}
    differences = tuple(_differences(case, outcome, rehearsal))
    return Verdict(case, differences, tuple(touched.values()), outcome.bugs)


def _touched(outcome: Outcome) -> Iterator[Route | Plugin]:
    if outcome.exchange is None or outcome.route is None:
        return
    yield outcome.route.entity
    for instance in reached(outcome.exchange, who_answered(outcome)):
        yield instance.entity


def _differences(case: Case, outcome: Outcome, rehearsal: Rehearsal) -> Iterator[Difference]:
    for what, expected in case.expect.items():
        line = case.lines[what]
        if what == "route":
            yield from _route_difference(expected, line, outcome, rehearsal)
        elif what == "service":
            yield from _named_difference(what, expected, line, _service_names(outcome, rehearsal.entities))
        elif what == "consumer":
            yield from _named_difference(what, expected, line, _consumer_names(outcome))
        elif what == "headers":
            yield from _header_differences("header", expected, case, "headers", outcome.header)
        elif what == "target":
            yield from _target_differences(expected, case, outcome.target_request)
        else:
            yield from _difference(what, expected, _OBSERVED[what](outcome), line)


def _difference(what: str, expected: Any, observed: Any, line: int) -> Iterator[Difference]:
    if not fits(expected, observed):
        yield Difference(what, _shown(expected), _shown(observed), line)


def fits(expected: Any, observed: Any) -> bool:
    """Tell whether a value is the expected one; a text behind ``~`` is a regex that must be found in it."""
    if isinstance(expected, str) and expected.startswith(REGEX_MARK):
        pattern = expected[len(REGEX_MARK) :]
        return isinstance(observed, str) and re.search(pattern, observed) is not None
    return bool(expected == observed)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return repr(value[:_SHOWN_BYTES]) if isinstance(value, str) else str(value)


_OBSERVED: Mapping[str, Callable[[Outcome], Any]] = MappingProxyType(
    {
        "status": lambda outcome: outcome.status,
        "body": lambda outcome: outcome.body.decode("utf-8", "backslashreplace"),
        "answered_by": who_answered,
        "plugins": lambda outcome: (
            [instance.entity.name for instance in instances_of(outcome.exchange)] if outcome.exchange else []
        ),
    }
)


def _named_difference(
    what: str, expected: str | None, line: int, names: tuple[str | None, ...]
) -> Iterator[Difference]:
    """Compare with any of the names of an entity; no names is no entity."""
    known = [name for name in names if name is not None]
    if (expected not in known) if expected is not None else known:
        yield Difference(what, _shown(expected), _shown(known[0] if known else None), line)


def _route_difference(
    expected: str | None, line: int, outcome: Outcome, rehearsal: Rehearsal
) -> Iterator[Difference]:
    route = outcome.route.entity if outcome.route is not None else None
    names = (route.name, route.id) if route is not None else ()
    for difference in _named_difference("route", expected, line, names):
        hint = None if expected is None else _why_not(expected, outcome, rehearsal)
        yield Difference("route", difference.expected, difference.observed, line, hint)


def _why_not(wanted: str, outcome: Outcome, rehearsal: Rehearsal) -> str:
    """Return why a route did not win."""
    found = judge(rehearsal, outcome.exchange)
    reasons = [(other.entry.route, other.reason) for other in found.runners_up]
    reasons += [(miss.entry.route, miss.reason) for miss in found.misses]
    told = (reason for route, reason in reasons if wanted in (route.name, route.id))
    return next(told, "there is no such route")


def _service_names(outcome: Outcome, entities: Entities) -> tuple[str | None, ...]:
    service: Service | None = None
    if outcome.route is not None and outcome.route.service is not None:
        service = outcome.route.service.entity
    return () if service is None else (service.name, service.id)


def _consumer_names(outcome: Outcome) -> tuple[str | None, ...]:
    consumer = outcome.exchange.consumer if outcome.exchange is not None else None
    return () if consumer is None else (consumer.username, consumer.custom_id, consumer.id)


def _header_differences(
    what: str, expected: Mapping[str, Any], case: Case, place: str, observed: Callable[[str], str | None]
) -> Iterator[Difference]:
    for name, value in expected.items():
        wanted = None if value is None else text_of(value)
        line = case.lines.get(f"{place}.{name}", case.lines[place])
        yield from _difference(f"{what} {name}", wanted, observed(name), line)


def _target_differences(
    expected: Mapping[str, Any] | None, case: Case, request: TargetRequest | None
) -> Iterator[Difference]:
    line = case.lines["target"]
    if expected is None:
        if request is not None:
            yield Difference("target", "none", f"{request.method} {request.url}", line)
    elif request is None:
        yield Difference("target", "a request", "none", line)
    else:
        for name, value in expected.items():
            if name == "headers":
                yield from _header_differences("target header", value, case, "target.headers", request.header)
            else:
                observed = _OF_TARGET[name](request)
                yield from _difference(f"target {name}", value, observed, case.lines[f"target.{name}"])


_OF_TARGET: Mapping[str, Callable[[TargetRequest], str | None]] = MappingProxyType(
    {
        "method": lambda request: request.method,
        "url": lambda request: request.url,
        "path": lambda request: request.target.partition("?")[0],
        "query": lambda request: request.target.partition("?")[2] if "?" in request.target else None,
        "host": lambda request: request.header("host"),
        "body": lambda request: request.body.decode("utf-8", "backslashreplace"),
    }
)
