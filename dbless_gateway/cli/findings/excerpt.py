"""The piece of source that a problem is about: one line, cut to size, with a marker below it.

Values that must not be shown are blanked here. In a document that was understood the schemas say where they
are; in one that was not, whatever follows a telling word is taken for a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from dbless_gateway.cli.output import CONTROLS
from dbless_gateway.config.document import Span
from dbless_gateway.config.problems import Problem
from dbless_gateway.lint.credentials import secret_spans
from dbless_gateway.lint.places import Places

# A terminal of this width shows the line without wrapping, with the gutter before it.
_MAX_WIDTH = 110
# How much is shown before the place when a line has to be cut.
_LEAD = 40
_BLANK = "*"
_CUT = "…"

_TELLING = re.compile(
    r"(?i)\b(?:key|secret|password|token|credential|apikey|jwk|authorization)[\w-]*[\"']?\s*:\s*(\S.*)"
)
_ARMOR = re.compile(r"^\s*[A-Za-z0-9+/]{40,}={0,2}\s*$")


class Excerpt(NamedTuple):
    """A line and what points at the place in it."""

    line: str
    marker: str


class Excerpts:
    """Cuts excerpts from the texts of one configuration."""

    def __init__(self, texts: Mapping[str, str], places: Places) -> None:
        self._texts = texts
        self._places = places
        # By file: a line, and where it begins. To split a large file would take four times its size.
        self._reached: dict[str, tuple[int, int]] = {}

    def of(self, problem: Problem) -> Excerpt | None:
        """Return the excerpt of a problem, or None when its file has no such line."""
        text = self._texts.get(problem.file)
        if text is None:
            return None
        found = self._line(problem.file, text, problem.line)
        if found is None:
            return None
        line = self._blanked(problem.file, problem.line, found.removesuffix("\r"))
        end = problem.end_column if problem.end_line == problem.line else len(line) + 1
        return _cut(line, problem.column - 1, max(end - problem.column, 1))

    def _line(self, file: str, text: str, number: int) -> str | None:
        """Return one line; problems come in order, so the search goes on from where the last one ended."""
        current, start = self._reached.get(file, (1, 0))
        if current > number:
            current, start = 1, 0
        while current < number:
            end = text.find("\n", start)
            if end < 0:
                return None
            current, start = current + 1, end + 1
        self._reached[file] = current, start
        end = text.find("\n", start)
        return text[start : end if end >= 0 else len(text)]

    def _blanked(self, file: str, number: int, line: str) -> str:
        if file not in self._understood:
            return _blank_telling(line)
        for span in self._secrets.get((file, number), ()):
            start = span.column - 1 if span.line == number else 0
            end = span.end_column - 1 if span.end_line == number else len(line)
            line = line[:start] + _BLANK * max(end - start, 0) + line[end:]
        return line

    @cached_property
    def _understood(self) -> set[str]:
        return {document.file for document in self._places.documents}

    @cached_property
    def _secrets(self) -> dict[tuple[str, int], list[Span]]:
        found: dict[tuple[str, int], list[Span]] = {}
        for file, span in secret_spans(self._places):
            for number in range(span.line, span.end_line + 1):
                found.setdefault((file, number), []).append(span)
        return found


def _blank_telling(line: str) -> str:
    found = _TELLING.search(line)
    if found is not None:
        return line[: found.start(1)] + _BLANK * len(found[1])
    return _BLANK * len(line) if _ARMOR.match(line) else line


def _cut(line: str, start: int, width: int) -> Excerpt:
    """Cut a line to the width of a terminal around a place, and mark the place."""
    # One character for one: the marker must stay below its place.
    line = CONTROLS.sub(" ", line)
    if len(line) > _MAX_WIDTH:
        first = max(min(start - _LEAD, len(line) - _MAX_WIDTH), 0)
        piece = line[first : first + _MAX_WIDTH]
        line = (_CUT if first else "") + piece + (_CUT if first + _MAX_WIDTH < len(line) else "")
        start += (1 if first else 0) - first
    width = max(min(width, len(line) - start), 1)
    return Excerpt(line, " " * start + "^" * width)
