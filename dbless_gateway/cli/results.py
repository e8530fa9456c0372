"""The results of test files: for a terminal, for build servers (JUnit), for GitHub, and as JSON.

The JSON form is a promise: ``version`` changes when a field changes its meaning or goes away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from dbless_gateway.cli.columns import columns
from dbless_gateway.cli.output import printable
from dbless_gateway.config.entities import Where
from dbless_gateway.rehearsal.coverage import Coverage
from dbless_gateway.rehearsal.judging import Verdict

_JSON_VERSION = 1


@dataclass(frozen=True, slots=True)
class Results:
    """Of all files together."""

    verdicts: list[Verdict]
    coverage: Coverage | None

    @property
    def failed(self) -> int:
        """Return how many tests did not pass."""
        return sum(not verdict.passed for verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        """Tell whether all passed."""
        return not self.failed


def human(results: Results) -> str:
    """Return what a person wants to know: what failed, where and why."""
    lines: list[str] = []
    for verdict in results.verdicts:
        case = verdict.case
        if not verdict.passed:
            lines.append(f"{case.file}:{case.line}: failed: {case.name}")
            lines += [
                f"  line {difference.line}: {difference.sentence()}" for difference in verdict.differences
            ]
            lines += [f"  a plugin's bug: {bug}" for bug in verdict.bugs]
    count = len(results.verdicts)
    passed = count - results.failed
    lines.append(f"{passed} of {count} tests passed" if results.failed else f"{count} tests passed")
    text = "".join(f"{printable(line)}\n" for line in lines)
    return text + ("" if results.coverage is None else _coverage_text(results.coverage))


def _coverage_text(coverage: Coverage) -> str:
    routes = coverage.routes - len(coverage.missed_routes)
    plugins = coverage.plugins - len(coverage.missed_plugins)
    lines = [f"reached: {routes} of {coverage.routes} routes, {plugins} of {coverage.plugins} plugins"]
    rows = [[f"{kind} {name}", _place(where)] for kind, name, where in _missed(coverage)]
    if rows:
        lines += ["not reached by any test:", *columns(rows, "  ")]
    return "\n".join(lines) + "\n"


def _missed(coverage: Coverage) -> Iterator[tuple[str, str, Where]]:
    for route in coverage.missed_routes:
        yield "route", route.name or route.id, route.where
    for plugin in coverage.missed_plugins:
        yield "plugin", plugin.instance_name or plugin.name, plugin.where


def _place(where: Where) -> str:
    return f"{where.file}:{where.line}"


def as_json(results: Results) -> str:
    """Return everything."""
    document: dict[str, Any] = {
        "version": _JSON_VERSION,
        "tests": len(results.verdicts),
        "failed": results.failed,
        "results": [_as_plain(verdict) for verdict in results.verdicts],
    }
    if results.coverage is not None:
        document["coverage"] = _coverage_plain(results.coverage)
    return json.dumps(document, indent=2) + "\n"


def _as_plain(verdict: Verdict) -> dict[str, Any]:
    case = verdict.case
    return {
        "name": case.name,
        "file": case.file,
        "line": case.line,
        "passed": verdict.passed,
        "differences": [
            {
                "what": difference.what,
                "expected": difference.expected,
                "observed": difference.observed,
                "line": difference.line,
                "hint": difference.hint,
            }
            for difference in verdict.differences
        ],
        "bugs": list(verdict.bugs),
    }


def _coverage_plain(coverage: Coverage) -> dict[str, Any]:
    missed = [{"kind": kind, "name": name, "at": _place(where)} for kind, name, where in _missed(coverage)]
    return {"routes": coverage.routes, "plugins": coverage.plugins, "missed": missed}


def github(results: Results) -> str:
    """Return workflow commands: failures as errors, what was not reached as notices."""
    lines = [
        f"::error file={_property(verdict.case.file)},line={difference.line},"
        f"title={_property(verdict.case.name)}::{_escaped(difference.sentence())}"
        for verdict in results.verdicts
        for difference in verdict.differences
    ]
    if results.coverage is not None:
        lines += map(_notice, _missed(results.coverage))
    return "".join(f"{line}\n" for line in lines)


def _notice(missed: tuple[str, str, Where]) -> str:
    kind, name, where = missed
    place = f"file={_property(where.file)},line={where.line},title=not reached"
    return f"::notice {place}::no test reaches {kind} {_escaped(name)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def junit(results: Results) -> str:
    """Return a JUnit report: a suite for each file."""
    by_file: dict[str, list[Verdict]] = {}
    for verdict in results.verdicts:
        by_file.setdefault(verdict.case.file, []).append(verdict)
    suites = "".join(_suite(file, verdicts) for file, verdicts in by_file.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}</testsuites>\n'


def _suite(file: str, verdicts: list[Verdict]) -> str:
    failures = sum(not verdict.passed for verdict in verdicts)
    cases = "".join(map(_junit_case, verdicts))
    return (
        f'  <testsuite name={_attribute(file)} tests="{len(verdicts)}" failures="{failures}">\n'
        f"{cases}  </testsuite>\n"
    )


def _junit_case(verdict: Verdict) -> str:
    case = verdict.case
    head = f"    <testcase classname={_attribute(case.file)} name={_attribute(case.name)}"
    if verdict.passed:
        return f"{head}/>\n"
    told = [f"{case.file}:{found.line}: {found.sentence()}" for found in verdict.differences]
    text = "\n".join(map(_storable, told))
    first = _attribute(verdict.differences[0].sentence())
    return f"{head}>\n      <failure message={first}>{escape(text)}</failure>\n    </testcase>\n"


def _attribute(text: str) -> str:
    return quoteattr(_storable(text))


def _storable(text: str) -> str:
    """Return a text without characters that XML cannot hold."""
    return printable(text).encode("utf-8", "backslashreplace").decode()


FORMATS: Mapping[str, Callable[[Results], str]] = MappingProxyType(
    {"human": human, "json": as_json, "github": github, "junit": junit}
)
