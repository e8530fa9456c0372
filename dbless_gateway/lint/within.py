"""Where a character of a scalar's text stands in the file, whatever way of quoting the scalar is in.

The reader keeps where a scalar begins and ends, and its text; how the one became the other is not kept, so it is
worked out again, for the one scalar in which something is wrong. It knows YAML's five ways of writing text; JSON's
strings are one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbless_gateway.config.document import Span

# A line break with the white space around it becomes a space, several become one break less.
_FOLD = r"(?P<fold>[ \t]*(?:\r?\n[ \t]*)+)"
_TOKENS = {
    '"': re.compile(
        rf"(?P<nothing>\\\r?\n[ \t]*)|\\u[Dd][89ABab]..\\u....|\\(?:x..|u....|U........|.)|{_FOLD}|[^\n]",
        re.DOTALL,
    ),
    "'": re.compile(rf"''|{_FOLD}|[^\n]"),
    ">": re.compile(rf"{_FOLD}|[^\n]"),
    "": re.compile(rf"{_FOLD}|[^\n]"),
}
_LITERAL_INDENT = re.compile(r"(?:[ \t]*\r?\n)*([ ]*)")
# What may stand in front of the text itself; then it is not worked out.
_PROPERTIES = "&!"


def place_within(source: str, span: Span, offset: int) -> Span | None:
    """Return the place of the character, one wide; None where that cannot be told."""
    begin = _index(source, span.line, span.column)
    written = source[begin : _index(source, span.end_line, span.end_column)]
    if not written or written[0] in _PROPERTIES:
        return None
    found = next((at for number, at in _characters(written) if number == offset), None)
    if found is None:
        return None
    before = source[: begin + found]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Span(line, column, line, column + 1)


def _index(source: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = source.index("\n", start) + 1
    return start + column - 1


def _characters(written: str) -> Iterator[tuple[int, int]]:
    """Yield the number of each character of the text with its index in what is written."""
    style = written[0] if written[0] in "\"'>|" else ""
    if style == "|":
        yield from _literal(written)
        return
    at = 0 if style == "" else 1
    if style == ">":
        indent = _LITERAL_INDENT.match(written, written.find("\n") + 1)
        at = indent.end() if indent is not None else at
    number = 0
    for token in _TOKENS[style].finditer(written, at):
        yield number, token.start()
        number += _length(token)


def _length(token: re.Match[str]) -> int:
    kinds = token.groupdict()
    if kinds.get("nothing") is not None:
        return 0
    fold = kinds.get("fold")
    return 1 if fold is None else max(fold.count("\n") - 1, 1)


def _literal(written: str) -> Iterator[tuple[int, int]]:
    begin = written.find("\n") + 1
    indent = _LITERAL_INDENT.match(written, begin)
    width = 0 if indent is None else len(indent[1])
    number = 0
    for line in written[begin:].split("\n"):
        for column in range(min(width, len(line)), len(line) + 1):
            yield number, begin + column
            number += 1
        begin += len(line) + 1
