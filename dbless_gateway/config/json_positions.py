"""JSON text to a ``Document``: the same result as ``positions`` gives for YAML.

Python's own ``json`` is faster but forgets where things stood and lets a second key silently win. One regular
expression finds the tokens; the loop is iterative, for the reasons given in ``positions``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import isfinite
from sys import intern
from typing import Any, NoReturn

from dbless_gateway.config.document import Document, Map, Seq
from dbless_gateway.config.faults import Fatal, Fault
from dbless_gateway.config.positions import MAX_DEPTH

_TOKEN = re.compile(
    r"[ \t\n\r]*(?:(?P<mark>[{}\[\],:])"
    r'|(?P<text>"(?:[^"\\\x00-\x1f]|\\.)*")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![0-9A-Za-z.])"
    r"|(?P<word>true|false|null)(?![0-9A-Za-z])|(?P<end>\Z))"
)
_WORDS = {"true": True, "false": False, "null": None}
_SURROGATE = re.compile("[\ud800-\udfff]")
# Longer numbers fit no field, and Python refuses to convert very long ones.
_MAX_DIGITS = 128

_VALUE, _KEY, _COLON, _COMMA, _FIRST_VALUE, _FIRST_KEY, _END = range(7)
_EXPECTED = {
    _VALUE: "a value",
    _FIRST_VALUE: "a value or `]`",
    _KEY: "a key in double quotes",
    _FIRST_KEY: "a key in double quotes or `}`",
    _COLON: "`:`",
    _COMMA: "`,` or the end of the list or object",
    _END: "the end of the file",
}


def read_json(
    text: str, file: str, substitute: Callable[[str, bool], Any] | None = None
) -> tuple[Document, list[Fault]]:
    """Parse ``text``; raise ``Fatal`` when it is not JSON."""
    reader = _Reader(text, file, substitute)
    reader.read()
    return reader.document, reader.faults


class _Reader:
    def __init__(self, text: str, file: str, substitute: Callable[[str, bool], Any] | None) -> None:
        self.text = text
        self.document = Document(file, text)
        self.faults: list[Fault] = []
        self.substitute = substitute
        # The innermost open container: its node, and its keys so far if it is an object.
        self.at = -1
        self.keys: set[str] | None = None
        self.outer: list[tuple[int, set[str] | None]] = []
        self.texts: dict[str, str] = {}
        self.state = _VALUE

    def read(self) -> None:
        """Consume the tokens up to the end."""
        offset = 0
        while True:
            match = _TOKEN.match(self.text, offset)
            if match is None:
                self._fail(_skip_space(self.text, offset))
            kind = match.lastgroup
            start, offset = match.span(kind or 0)
            if kind == "mark":
                self._mark(self.text[start], start)
            elif kind == "end":
                break
            elif kind == "text" and self.state in {_KEY, _FIRST_KEY}:
                self._begin_pair(self._decode(start, offset), start, offset)
            else:
                self._scalar(str(kind), start, offset)
        if self.state != _END:
            self._fail(start)

    def _fail(self, offset: int, reason: str | None = None) -> NoReturn:
        place = self.document.place(offset)
        raise Fatal(Fault("json/syntax", place, place + 1, reason or f"expected {_EXPECTED[self.state]}"))

    def _decode(self, start: int, end: int) -> str:
        raw = self.text[start + 1 : end - 1]
        if "\\" not in raw:
            return raw
        try:
            value: str = json.loads(self.text[start:end])
        except ValueError:
            self._fail(start, "a wrong escape in this text")
        if _SURROGATE.search(value):
            self._fail(start, "half of a surrogate pair in this text")
        return value

    def _scalar(self, kind: str, start: int, end: int) -> None:
        if self.state not in {_VALUE, _FIRST_VALUE}:
            self._fail(start)
        node = self.document.add(start, end, None)
        value: Any
        if kind == "text":
            value = self._decode(start, end)
            # Many texts occur many times.
            value = self.texts.setdefault(value, value)
            if self.substitute is not None and "$" in value:
                value = self._substituted(value, node)
        elif kind == "word":
            value = _WORDS[self.text[start:end]]
        else:
            value = self._number(start, end)
        self.document.values[node] = value
        self._end_value()

    def _number(self, start: int, end: int) -> int | float:
        text = self.text[start:end]
        if end - start > _MAX_DIGITS:
            self._fail(start, "a number with too many digits")
        value = int(text) if text.lstrip("-").isdigit() else float(text)
        if not isfinite(value):
            self._fail(start, "a number that is too large")
        return value

    def _substituted(self, text: str, node: int) -> Any:
        assert self.substitute is not None
        try:
            value = self.substitute(text, False)
        except Fatal as failure:
            self._fault(failure.fault.code, failure.fault.message, node)
            self.document.unresolved.add(node)
            return text
        if value is not text:
            self.document.substituted.add(node)
        return value

    def _end_value(self) -> None:
        self.state = _COMMA if self.outer else _END

    def _begin_pair(self, key: str, start: int, end: int) -> None:
        assert self.keys is not None, "only an object has keys"
        node = self.document.add(start, end, intern(key))
        if key in self.keys:
            # Of a duplicate, the first stays.
            self.document.skipped.add(node)
            self._fault("yaml/duplicate-key", f"the key `{key}` is already given in this object", node)
        self.keys.add(key)
        self.state = _COLON

    def _fault(self, code: str, message: str, node: int) -> None:
        start, end = self.document.starts[node], self.document.ends[node]
        self.faults.append(Fault(code, self.document.place(start), self.document.place(end), message))

    def _mark(self, mark: str, offset: int) -> None:
        state = self.state
        if mark in "{[" and state in {_VALUE, _FIRST_VALUE}:
            self._open(mark, offset)
        elif (mark == "]" and self._in_list()) or (mark == "}" and self._in_object()):
            self._close(offset)
        elif mark == ":" and state == _COLON:
            self.state = _VALUE
        elif mark == "," and state == _COMMA:
            self.state = _VALUE if self.keys is None else _KEY
        else:
            self._fail(offset)

    def _in_list(self) -> bool:
        return self.keys is None and bool(self.outer) and self.state in {_COMMA, _FIRST_VALUE}

    def _in_object(self) -> bool:
        return self.keys is not None and self.state in {_COMMA, _FIRST_KEY}

    def _open(self, mark: str, offset: int) -> None:
        if len(self.outer) >= MAX_DEPTH:
            place = self.document.place(offset)
            raise Fatal(Fault("yaml/nesting", place, place + 1, f"nested more than {MAX_DEPTH} levels deep"))
        at = self.document.add(offset, offset, Map if mark == "{" else Seq)
        self.outer.append((self.at, self.keys))
        self.at, self.keys = at, set() if mark == "{" else None
        self.state = _FIRST_KEY if mark == "{" else _FIRST_VALUE

    def _close(self, offset: int) -> None:
        self.document.ends[self.at] = offset + 1
        self.document.nexts[self.at] = len(self.document.starts)
        self.at, self.keys = self.outer.pop()
        self._end_value()


def _skip_space(text: str, offset: int) -> int:
    while offset < len(text) and text[offset] in " \t\n\r":
        offset += 1
    return offset
