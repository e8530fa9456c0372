"""Findings for programs: JSON of our own, and the forms that build servers and code hosts read.

The JSON form is a promise: ``version`` changes when a field changes its meaning or goes away.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from dbless_gateway import __version__
from dbless_gateway.cli.findings.judged import Judged
from dbless_gateway.cli.output import printable
from dbless_gateway.config.codes import CODES
from dbless_gateway.config.problems import Problem

JSON_VERSION = 1

_FIELDS = (
    "file",
    "line",
    "column",
    "end_line",
    "end_column",
    "severity",
    "code",
    "path",
    "entity",
    "message",
    "suggestion",
)
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_GITLAB_SEVERITIES = {"error": "critical", "warning": "minor"}


def as_json(results: Sequence[Judged]) -> str:
    """Return every field of every problem."""
    return _dump(
        {
            "version": JSON_VERSION,
            "valid": not any(result.failed() for result in results),
            "errors": sum(result.count("error") for result in results),
            "warnings": sum(result.count("warning") for result in results),
            "problems": [
                {name: getattr(problem, name) for name in _FIELDS} for problem in _problems(results)
            ],
        }
    )


def github(results: Sequence[Judged]) -> str:
    """Return workflow commands, which GitHub shows beside the lines of a change."""
    return "".join(
        f"::{problem.severity} file={_github(problem.file, property=True)},line={problem.line},"
        f"col={problem.column},endLine={problem.end_line},endColumn={problem.end_column},"
        f"title={_github(problem.code, property=True)}::{_github(problem.text())}\n"
        for problem in _problems(results)
    )


def gitlab(results: Sequence[Judged]) -> str:
    """Return a Code Quality report."""
    seen: Counter[str] = Counter()
    return _dump([_gitlab(problem, seen) for problem in _problems(results)])


def sarif(results: Sequence[Judged]) -> str:
    """Return a SARIF 2.1.0 log."""
    problems = list(_problems(results))
    codes = sorted({problem.code for problem in problems})
    driver = {
        "name": "dbless-gateway",
        "version": __version__,
        "rules": [_sarif_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(problem, codes.index(problem.code)) for problem in problems],
    }
    return _dump({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def junit(results: Sequence[Judged]) -> str:
    """Return a JUnit report: a suite for each configuration, a failed case for each problem that counts."""
    suites = "".join(_junit_suite(result) for result in results)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}</testsuites>\n'


def _problems(results: Sequence[Judged]) -> Iterator[Problem]:
    for result in results:
        yield from result.problems


def _dump(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _github(text: str, *, property: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if property else text


def _gitlab(problem: Problem, seen: Counter[str]) -> dict[str, Any]:
    # Without the line: a finding stays the same one when a line is put in before it.
    identity = "\0".join((problem.file, problem.code, problem.path, problem.message))
    seen[identity] += 1
    fingerprint = sha256(f"{identity}\0{seen[identity]}".encode("utf-8", "backslashreplace"))
    return {
        "description": problem.text(),
        "check_name": problem.code,
        "fingerprint": fingerprint.hexdigest(),
        "severity": _GITLAB_SEVERITIES[problem.severity],
        "location": {
            "path": problem.file.removeprefix("./"),
            "lines": {"begin": problem.line, "end": problem.end_line},
        },
    }


def _sarif_rule(code: str) -> dict[str, Any]:
    row = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": row.title},
        "fullDescription": {"text": row.explanation},
        "defaultConfiguration": {"level": row.severity},
    }


def _sarif_result(problem: Problem, rule: int) -> dict[str, Any]:
    region = {
        "startLine": problem.line,
        "startColumn": problem.column,
        "endLine": problem.end_line,
        "endColumn": problem.end_column,
    }
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(problem.file)}, "region": region}
    }
    if problem.path:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.path, "name": problem.entity}]
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": problem.text()},
        "locations": [location],
    }


def _uri(file: str) -> str:
    """Return a file's name as a relative reference, or an absolute one when the name is absolute."""
    path = quote(file.removeprefix("./").encode("utf-8", "backslashreplace"))
    return f"file://{path}" if path.startswith("/") else path


def _junit_suite(result: Judged) -> str:
    failing = [p for p in result.problems if p.severity == "error" or result.strict]
    cases = "".join(_junit_case(problem) for problem in failing)
    if not failing:
        told = "".join(f"{_xml(problem.one_line())}\n" for problem in result.problems)
        output = f"<system-out>{told}</system-out>" if told else ""
        cases = f'    <testcase classname="validate" name={_attribute(result.name)}>{output}</testcase>\n'
    return (
        f"  <testsuite name={_attribute(result.name)} tests={_attribute(max(len(failing), 1))} "
        f"failures={_attribute(len(failing))}>\n{cases}  </testsuite>\n"
    )


def _junit_case(problem: Problem) -> str:
    name = f"{problem.code} at {problem.file}:{problem.line}"
    return (
        f"    <testcase classname={_attribute(problem.file)} name={_attribute(name)}>\n"
        f"      <failure type={_attribute(problem.code)} message={_attribute(problem.text())}>"
        f"{_xml(problem.one_line())}</failure>\n    </testcase>\n"
    )


def _attribute(value: object) -> str:
    return quoteattr(_storable(str(value)))


def _xml(text: str) -> str:
    return escape(_storable(text))


def _storable(text: str) -> str:
    """Return a text without characters that XML cannot hold at all."""
    return printable(text).encode("utf-8", "backslashreplace").decode()
