"""Small changes of a YAML text in which every other byte stays what it is.

The reader that knows positions says where a part stands; its lines are replaced, removed, or others put
behind them. That keeps comments, order and style of the rest, and costs no more than reading the file, which
a round trip through a YAML library does by a factor of fifty. What cannot be done line by line (flow style,
anchors) raises ``NotSpliceable``. A caller must compare what the text means afterwards with what it should
mean: this module looks at lines and does not know all of YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import yaml

from dbless_gateway.config.document import ROOT, Document, Map, Seq
from dbless_gateway.config.drafts import Path
from dbless_gateway.config.edit_steps import Add, Drop, Put, Step

_WIDTH = 1 << 20
_BEFORE_ENTRY = re.compile(r" *(?:- +)*")
_COMMENT_BEHIND_KEY = re.compile(r"[^#]*?:(\s+#.*)?")
Splice = tuple[int, int, str]


class NotSpliceable(Exception):
    """The place is written in a way that lines cannot be exchanged in."""


def splice(text: str, document: Document, steps: Sequence[Step]) -> str:
    """Return the text after simplified steps; the document is what the text was read as."""
    return _Splicer(text, document).apply(steps)


class _Splicer:
    def __init__(self, text: str, document: Document) -> None:
        self._text = text
        self._document = document
        self._lines = text.splitlines(keepends=True)
        self._offsets = [0, *accumulate(map(len, self._lines))]
        self._indents_lists = _indents_lists(self._lines)

    def apply(self, steps: Sequence[Step]) -> str:
        splices = [splice for step in steps for splice in self._splices(step)]
        numbered = [(start, end, number, new) for number, (start, end, new) in enumerate(splices)]
        text = self._text
        # From the end to the beginning, so that offsets stay right; of several at one place the last first.
        for start, end, _, new in sorted(numbered, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _splices(self, step: Step) -> Iterator[Splice]:
        if isinstance(step, Put):
            yield self._put(step)
        elif isinstance(step, Add):
            yield self._add(step)
        elif isinstance(step.path[-1], int):
            yield self._drop_element(step)
        else:
            yield self._drop_field(step)

    # The steps.

    def _put(self, step: Put) -> Splice:
        container = self._document.value(ROOT, step.path)
        if not isinstance(container, Map) or not container:
            raise NotSpliceable
        path = (*step.path, step.key)
        if step.key in container:
            line, column = self._key_place(path)
            start = self._offsets[line] + column
            return self._replacement(path, line, column, start, step)
        is_entities = bool(isinstance(step.value, list) and step.value and isinstance(step.value[0], dict))
        before = self._last_field(container, step.path, behind_children=is_entities)
        line, column = self._key_place((*step.path, before))
        end = self._end_of_field((*step.path, before), line, column)
        return self._insertion(end, self._shown({step.key: step.value}, column, first=" " * column))

    def _replacement(self, path: Path, line: int, column: int, start: int, step: Put) -> Splice:
        new = self._shown({step.key: step.value}, column).rstrip("\n")
        old = self._document.value(ROOT, path)
        if isinstance(old, Map | Seq) and not self._is_flow(path):
            end = self._offsets[self._end_of_field(path, line, column)]
            found = _COMMENT_BEHIND_KEY.fullmatch(self._lines[line][column:].rstrip("\r\n"))
            if found is not None and found[1]:
                head, *rest = new.split("\n")
                new = "\n".join([head + found[1], *rest])
            return start, end, new + "\n"
        end = self._offset_of_end(path)
        return start, end, new + ("\n" if self._text[start:end].endswith("\n") else "")

    def _add(self, step: Add) -> Splice:
        path = (*step.path, step.key)
        items = self._document.value(ROOT, path)
        if not isinstance(items, Seq) or self._is_flow(path):
            raise NotSpliceable
        line, dash = self._dash((*path, len(items) - 1))
        end = self._end_of_block(line, dash)
        shown = self._shown(step.value, dash + 2, first=" " * dash + "- ")
        return self._insertion(end, shown)

    def _drop_element(self, step: Drop) -> Splice:
        if self._is_flow(step.path[:-1]):
            raise NotSpliceable
        line, dash = self._dash(step.path)
        if self._lines[line][:dash].strip():
            raise NotSpliceable  # the first element of a list inside a list
        return self._offsets[line], self._offsets[self._end_of_block(line, dash)], ""

    def _drop_field(self, step: Drop) -> Splice:
        line, column = self._key_place(step.path)
        end = self._offsets[self._end_of_field(step.path, line, column)]
        if not self._lines[line][:column].strip():
            return self._offsets[line], end, ""
        # The first field of an element stands behind the dash; the next one moves up.
        names = list(self._document.value(ROOT, step.path[:-1]))
        if names[:1] != [step.path[-1]] or len(names) < 2:
            raise NotSpliceable
        next_line, next_column = self._key_place((*step.path[:-1], names[1]))
        return self._offsets[line] + column, self._offsets[next_line] + next_column, ""

    # Places.

    def _key_place(self, path: Path) -> tuple[int, int]:
        """Return line and column of a field's name, both from 0."""
        span = self._document.locate(ROOT, path, key=True)
        line, column = span.line - 1, span.column - 1
        if not _BEFORE_ENTRY.fullmatch(self._lines[line][:column]):
            raise NotSpliceable
        return line, column

    def _dash(self, path: Path) -> tuple[int, int]:
        """Return line and column of the dash before an element."""
        span = self._document.full_span(ROOT, path)
        before = self._lines[span.line - 1][: span.column - 1]
        if not _BEFORE_ENTRY.fullmatch(before) or "-" not in before:
            raise NotSpliceable
        return span.line - 1, before.rindex("-")

    def _last_field(self, container: Map, path: Path, *, behind_children: bool) -> str:
        """Return the field behind which a new one goes; lists of entities stay at the end."""
        if self._is_flow(path):
            raise NotSpliceable
        own = [
            name
            for name, value in container.items()
            if not (isinstance(value, Seq) and value and isinstance(value[0], Map))
        ]
        return list(container)[-1] if behind_children or not own else own[-1]

    def _end_of_field(self, path: Path, line: int, column: int) -> int:
        value = self._document.value(ROOT, path)
        if isinstance(value, Seq) and value and not self._is_flow(path):
            # A list may stand as far left as the name of its field.
            span = self._document.full_span(ROOT, path)
            last, dash = self._dash((*path, len(value) - 1))
            if span.column - 1 == column or dash == column:
                return self._end_of_block(last, dash)
        return max(self._end_of_block(line, column), self._line_behind(path))

    def _line_behind(self, path: Path) -> int:
        """Return the line behind a scalar that may have lines of any indentation."""
        if isinstance(self._document.value(ROOT, path), Map | Seq) and not self._is_flow(path):
            return 0
        span = self._document.full_span(ROOT, path)
        return span.end_line - 1 if span.end_column == 1 and span.end_line > span.line else span.end_line

    def _end_of_block(self, line: int, indent: int) -> int:
        """Return the line behind all that stands deeper than this; blank lines and comments stay outside."""
        end = line + 1
        for number in range(line + 1, len(self._lines)):
            content = self._lines[number].lstrip(" ")
            if not content.strip() or content.startswith("#"):
                continue
            if len(self._lines[number]) - len(content) <= indent:
                break
            end = number + 1
        return end

    def _offset_of_end(self, path: Path) -> int:
        span = self._document.full_span(ROOT, path)
        return self._offsets[span.end_line - 1] + span.end_column - 1

    def _is_flow(self, path: Path) -> bool:
        if not path:
            return self._text.lstrip()[:1] == "{"
        span = self._document.full_span(ROOT, path)
        line = self._lines[span.line - 1] if span.line <= len(self._lines) else ""
        return line[span.column - 1 : span.column] in ("{", "[", "*", "&")

    # Text.

    def _insertion(self, line: int, text: str) -> Splice:
        offset = self._offsets[line]
        needs_break = offset > 0 and not self._text[:offset].endswith("\n")
        return offset, offset, ("\n" if needs_break else "") + text

    def _shown(self, value: Any, column: int, *, first: str = "") -> str:
        """Return a value as block-style YAML at a column; the first line begins with ``first``."""
        dumper = _IndentedDumper if self._indents_lists else _Dumper
        text = yaml.dump(
            value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
        ).removesuffix("...\n")
        lines = text.splitlines(keepends=True)
        pad = " " * column
        return first + "".join(
            line if number == 0 or not line.strip() else pad + line for number, line in enumerate(lines)
        )


class _Dumper(yaml.SafeDumper):
    """Writes as people do: no anchors, long texts over several lines as they are."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _IndentedDumper(_Dumper):
    """Writes lists deeper than the name of their field."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
_IndentedDumper.add_representer(str, _text)


def _indents_lists(lines: Sequence[str]) -> bool:
    """Tell whether the first list of a file stands deeper than the name of its field."""
    for before, line in pairwise(lines):
        if line.lstrip(" ").startswith("- ") and before.rstrip().endswith(":"):
            return len(line) - len(line.lstrip(" ")) > len(before) - len(before.lstrip(" "))
    return True
