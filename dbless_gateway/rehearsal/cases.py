"""Test files: from their text to cases that can be played, or to problems with their places.

What a file may say is in ``schemas/tests.json``, and nowhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from dbless_gateway.config.document import ROOT, Document
from dbless_gateway.config.drafts import Finding, Path, Report
from dbless_gateway.config.load import LoadOptions
from dbless_gateway.config.parse import parse
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.schemas import schemas_folder
from dbless_gateway.config.source import Source, Text, read_sources
from dbless_gateway.config.validate import Validator
from dbless_gateway.rehearsal.question import DEFAULT_CLIENT_IP, BadQuestion, Question, ask
from dbless_gateway.rehearsal.targets import TargetAnswer

SCHEMA = "tests.json"
# What begins a regex in the place of a text, as in the paths of a route.
REGEX_MARK = "~"

_OK = 200


@dataclass(frozen=True, slots=True)
class Case:
    """One test; ``line`` is its place, ``lines`` those of what is expected, by dotted name."""

    file: str
    line: int
    name: str
    question: Question
    times: int
    at_s: float | None
    answer: TargetAnswer
    expect: Mapping[str, Any]
    lines: Mapping[str, int]


class _Mistake(Exception):
    """A value that the schema cannot judge."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def read_cases(sources: Sequence[Source], options: LoadOptions) -> tuple[list[Case], list[Problem]]:
    """Return all cases of all files, and what is wrong with the files."""
    report = Report()
    cases: list[Case] = []
    for item in read_sources(sources, options.max_bytes):
        if not isinstance(item, Text):
            report.add_fault(*item)
            continue
        report.see(item.name)
        document = parse(item, options, report)
        if document is not None:
            cases += _cases_of(document, report)
    return cases, report.problems


@lru_cache(maxsize=1)
def _validator() -> Validator:
    return Validator(json.loads((schemas_folder() / SCHEMA).read_text("utf-8")))


def _cases_of(document: Document, report: Report) -> list[Case]:
    data = document.data
    findings = _validator().findings(data)
    for finding in findings:
        report.add_place(document, finding.path, finding)
    if findings:
        return []
    cases = []
    for number, test in enumerate(data["tests"]):
        try:
            cases.append(_case(document, number, test))
        except _Mistake as mistake:
            path = ("tests", number, *mistake.path)
            report.add_place(document, path, Finding(path, "schema/value", str(mistake)))
    return cases


def _case(document: Document, number: int, test: Mapping[str, Any]) -> Case:
    path: Path = ("tests", number)
    expect = test["expect"]
    _check_regexes(expect, ("expect",))
    return Case(
        file=document.file,
        line=document.locate(ROOT, path).line,
        name=test["name"],
        question=_question(test["request"]),
        times=test.get("times", 1),
        at_s=_moment(test["at"]) if "at" in test else None,
        answer=_answer(test.get("target_answers", {})),
        expect=expect,
        lines=_lines(document, (*path, "expect"), expect),
    )


def _question(request: str | Mapping[str, Any]) -> Question:
    if isinstance(request, str):
        method, _, url = request.partition(" ")
        request = {"method": method, "url": url.strip()}
    try:
        return ask(
            request.get("method", "GET"),
            request["url"],
            headers=_headers(request.get("headers", {})),
            body=request.get("body", "").encode(),
            client_ip=request.get("client_ip", DEFAULT_CLIENT_IP),
            sni=request.get("sni"),
        )
    except BadQuestion as error:
        raise _Mistake(("request",), str(error)) from None


def _answer(given: Mapping[str, Any]) -> TargetAnswer:
    return TargetAnswer(
        status=given.get("status", _OK),
        headers=_headers(given.get("headers", {})),
        body=given.get("body", "").encode(),
        refuses=given.get("refuses", False),
    )


def _headers(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    lists = ((name, value if isinstance(value, list) else [value]) for name, value in given.items())
    return tuple((name, text_of(value)) for name, values in lists for value in values)


def text_of(value: object) -> str:
    """Return a scalar of a test file as it would stand in a header."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Mistake(("at",), "expected a time such as 2026-01-31T12:00:00Z") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _check_regexes(expected: object, path: Path) -> None:
    if isinstance(expected, Mapping):
        for name, value in expected.items():
            _check_regexes(value, (*path, name))
    elif isinstance(expected, str) and expected.startswith(REGEX_MARK):
        try:
            re.compile(expected[len(REGEX_MARK) :])
        except re.error as error:
            raise _Mistake(path, f"invalid regex: {error}") from None


def _lines(document: Document, path: Path, expect: Mapping[str, Any]) -> dict[str, int]:
    """Return the line of each expectation, and of those about the target."""
    lines = {}
    for name, value in expect.items():
        lines[name] = document.locate(ROOT, (*path, name), key=True).line
        for inner in value if isinstance(value, Mapping) else ():
            lines[f"{name}.{inner}"] = document.locate(ROOT, (*path, name, inner), key=True).line
    return lines
