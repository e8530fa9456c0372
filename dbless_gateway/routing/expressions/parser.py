"""The grammar: text to tree, or an ``ExpressionError`` at the first place where the text stops making sense.

``||`` binds tighter than ``&&`` (``a && b || c`` is ``a && (b || c)``), as Kong's grammar has it; both lean
to the left. ``!`` stands only before a parenthesis. Rules of the file: one method per rule of the grammar,
in the grammar's order, and each begins by skipping white space.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from dbless_gateway.routing.expressions.tree import (
    Both,
    Either,
    ExpressionError,
    Field,
    Negation,
    Node,
    Predicate,
    Value,
)

# Deeper nesting than any person writes, and far below Python's own limit.
MAX_DEPTH = 100

_SPACE = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_OPERATOR = re.compile(r"==|!=|\^=|=\^|>=|<=|>|<|~|not[ \t\r\n]+in\b|in\b|contains\b")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_RAW_STRING = re.compile(r'r#"(.*?)"#', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_IPV4 = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_IPV6 = r"(?=[0-9A-Fa-f]*:)[0-9A-Fa-f:]+(?:(?:\.[0-9]{1,3}){3})?"
_ADDRESS = re.compile(f"{_IPV4}|{_IPV6}")
_PREFIX_LENGTH = re.compile(r"/([0-9]{1,3})")
_INTEGER = re.compile(r"-?(?:0[xX][0-9A-Fa-f]+|[0-9]+)")
_INT_RANGE = range(-(1 << 63), 1 << 63)
# int() must not be given thousands of digits; 64 bits need at most 22 in octal.
_MAX_DIGITS = 40


def parse(text: str) -> Node:
    """Return the tree of an expression; raises ``ExpressionError``."""
    parser = _Parser(text)
    node = parser.expression(0)
    parser.skip()
    if parser.position < len(text):
        raise ExpressionError("expected && or || or the end", parser.position)
    return node


class _Parser:
    """A position in a text; what a method consumes is behind it afterwards."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def skip(self) -> None:
        found = _SPACE.match(self.text, self.position)
        assert found is not None
        self.position = found.end()

    def accept(self, token: str) -> bool:
        """Consume the token if it comes next."""
        self.skip()
        if not self.text.startswith(token, self.position):
            return False
        self.position += len(token)
        return True

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Consume what fits the pattern."""
        found = pattern.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def expression(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ExpressionError("the expression is nested too deeply", self.position)
        node = self.alternatives(depth)
        while self.accept("&&"):
            node = Both(node, self.alternatives(depth))
        return node

    def alternatives(self, depth: int) -> Node:
        node = self.term(depth)
        while self.accept("||"):
            node = Either(node, self.term(depth))
        return node

    def term(self, depth: int) -> Node:
        self.skip()
        if self.accept("!"):
            if not self.accept("("):
                raise ExpressionError("expected ( behind !", self.position)
            return Negation(self.parenthesized(depth))
        if self.accept("("):
            return self.parenthesized(depth)
        return self.predicate(depth)

    def parenthesized(self, depth: int) -> Node:
        node = self.expression(depth + 1)
        if not self.accept(")"):
            raise ExpressionError("expected )", self.position)
        return node

    def predicate(self, depth: int) -> Predicate:
        self.skip()
        offset = self.position
        field = self.left_side([])
        self.skip()
        operator = self.take(_OPERATOR)
        if operator is None:
            raise ExpressionError("expected an operator", self.position)
        self.skip()
        value_offset = self.position
        text_offset = value_offset + (len('r#"') if self.text.startswith("r", value_offset) else len('"'))
        return Predicate(
            field=field,
            operator=" ".join(operator[0].split()),
            value=self.value(),
            offset=offset,
            value_offset=value_offset,
            text_offset=text_offset,
        )

    def left_side(self, functions: list[str]) -> Field:
        self.skip()
        offset = self.position
        name = self.take(_NAME)
        if name is None:
            raise ExpressionError("expected term", self.position)
        if not self.accept("("):
            return Field(name[0], tuple(functions), offset)
        if len(functions) >= MAX_DEPTH:
            raise ExpressionError("the expression is nested too deeply", offset)
        if name[0] not in ("lower", "any"):
            raise ExpressionError(f"unknown transformation function: {name[0]}", offset)
        field = self.left_side([*functions, name[0]])
        if not self.accept(")"):
            raise ExpressionError("expected )", self.position)
        return field

    def value(self) -> Value:
        start = self.position
        if found := self.take(_RAW_STRING):
            return found[1]
        if found := self.take(_STRING):
            return _ESCAPE.sub(lambda escape: _unescape(escape, start + 1), found[1])
        if found := self.take(_ADDRESS):
            return self.address(found[0], start)
        if found := self.take(_INTEGER):
            return _integer(found[0], start)
        raise ExpressionError("expected a value: a string, an integer or an address", start)

    def address(self, text: str, start: int) -> Value:
        length = self.take(_PREFIX_LENGTH)
        try:
            # Host bits do not matter to a network, as in Kong.
            return ip_address(text) if length is None else ip_network(text + length[0], strict=False)
        except ValueError as error:
            raise ExpressionError(f"not an address: {error}", start) from None


def _unescape(escape: re.Match[str], start: int) -> str:
    if escape[1] not in _ESCAPED:
        raise ExpressionError(
            f'unknown escape {escape[0]}; write {escape[0]} in r#"..."#', start + escape.start()
        )
    return _ESCAPED[escape[1]]


def _integer(text: str, start: int) -> int:
    if len(text) > _MAX_DIGITS:
        raise ExpressionError("the integer does not fit into 64 bits", start)
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text)
    try:
        if digits[:2].lower() == "0x":
            number = int(digits, 16)
        else:
            number = int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
    except ValueError:
        raise ExpressionError("not an octal number", start) from None
    if sign * number not in _INT_RANGE:
        raise ExpressionError("the integer does not fit into 64 bits", start)
    return sign * number
