"""Judges small configurations and returns what was found, for tests of lints and of commands."""

from __future__ import annotations

from dbless_gateway.config.load import LoadOptions
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.source import Source
from dbless_gateway.lint.verdict import LINTS, Verdict, judge

HEAD = '_format_version: "3.0"\n'


def judged(text: str, *, flavor: str = "traditional_compatible", lints: frozenset[str] = LINTS) -> Verdict:
    """Judge a text; the line with the format version is put before it if it has none."""
    if "_format_version" not in text:
        text = HEAD + text
    options = LoadOptions(environ={"DECK_KEY": "from-env"}, router_flavor=flavor)
    return judge([Source("kong.yaml", text)], options, lints)


def findings(text: str, code: str, *, flavor: str = "traditional_compatible") -> list[Problem]:
    """Return the findings of one code in a configuration that has no errors."""
    verdict = judged(text, flavor=flavor)
    assert not verdict.has_errors(), [problem.headline() for problem in verdict.problems]
    return [problem for problem in verdict.problems if problem.code == code]
