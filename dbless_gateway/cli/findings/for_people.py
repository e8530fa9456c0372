"""Findings for a terminal: the line that editors jump to, the source line with a caret, the suggestion.

Secrets are blanked in the source lines that are shown, and control characters are escaped: a file must not be
able to paint the terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from dbless_gateway.cli.findings.excerpt import Excerpts
from dbless_gateway.cli.findings.judged import Judged
from dbless_gateway.cli.output import printable
from dbless_gateway.config.problems import Problem

_COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "place": "\x1b[2m", "valid": "\x1b[32m"}
_END = "\x1b[0m"


def human(results: Sequence[Judged]) -> str:
    """Return all findings, and a line of summary for each configuration."""
    paint = _painter(color=_wants_color())
    lines: list[str] = []
    for result in results:
        excerpts = Excerpts(result.texts, result.places)
        for problem in result.problems:
            lines += [*_finding(problem, excerpts, paint), ""]
        lines.append(_summary(result, paint))
    return "\n".join(lines) + "\n"


class _Painter:
    def __init__(self, colors: dict[str, str]) -> None:
        self._colors = colors

    def __call__(self, kind: str, text: str) -> str:
        color = self._colors.get(kind)
        return text if color is None else f"{color}{text}{_END}"


def _painter(*, color: bool) -> _Painter:
    return _Painter(_COLORS if color else {})


def _wants_color() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _finding(problem: Problem, excerpts: Excerpts, paint: _Painter) -> list[str]:
    place = f"{problem.path}: " if problem.path else ""
    kind = f"{problem.severity}[{problem.code}]"
    lines = [
        f"{printable(problem.file)}:{problem.line}:{problem.column}: {paint(problem.severity, kind)} "
        f"{printable(place + problem.message)}"
    ]
    excerpt = excerpts.of(problem)
    if excerpt is not None:
        gutter = f"{problem.line:>5} | "
        lines.append(paint("place", gutter) + excerpt.line)
        lines.append(paint("place", f"{'':>5} | ") + paint(problem.severity, excerpt.marker))
    if problem.entity:
        lines.append(f"{'':>5} = in {printable(problem.entity)}")
    if problem.suggestion:
        lines.append(f"{'':>5} = {printable(problem.suggestion)}")
    return lines


def _summary(result: Judged, paint: _Painter) -> str:
    counts = [
        f"{count} {severity}{'' if count == 1 else 's'}"
        for severity in ("error", "warning")
        if (count := result.count(severity))
    ]
    verdict = paint("error", "not valid") if result.failed() else paint("valid", "valid")
    return f"{printable(result.name)}: {verdict}" + (f" ({', '.join(counts)})" if counts else "")
