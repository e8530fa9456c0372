"""From a checked tree to a function of a request.

Evaluation goes from left to right and stops as soon as the answer is known. A field that the request does
not have makes its predicate false, whatever the operator. Without ``any``, all values of a field must fit.
The last path predicate that held is remembered in the ``Trace``: strip_path and the captures come from it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from dbless_gateway.routing.expressions.fields import (
    FieldType,
    address_reader,
    field_type,
    int_reader,
    string_reader,
)
from dbless_gateway.routing.expressions.tree import Both, Either, ExpressionError, Negation, Node, Predicate
from dbless_gateway.routing.regexes import Regex, RegexError, compile_regex
from dbless_gateway.routing.request import Request

_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Trace:
    """What the path predicates of one evaluation matched."""

    __slots__ = ("matched", "regex")

    def __init__(self) -> None:
        self.matched: bytes | None = None
        self.regex: Regex | None = None


Test = Callable[[Request, Trace], bool]


def compile_tree(node: Node) -> Test:
    """Return the function; raises ``ExpressionError`` for a regex that RE2 does not take."""
    if isinstance(node, Negation):
        inner = compile_tree(node.inner)
        return lambda request, trace: not inner(request, trace)
    if isinstance(node, Both):
        return _all_of(tuple(compile_tree(part) for part in flatten(node, Both)))
    if isinstance(node, Either):
        return _any_of(tuple(compile_tree(part) for part in flatten(node, Either)))
    kind = field_type(node.field.name, http=True)
    if kind is FieldType.INT:
        return _int_test(node)
    return _address_test(node) if kind is FieldType.ADDRESS else _string_test(node)


def flatten(node: Node, kind: type[Both | Either]) -> list[Node]:
    """Return the parts of a chain of one operator, in order."""
    rights: list[Node] = []
    while isinstance(node, (Both, Either)) and type(node) is kind:
        rights.append(node.right)
        node = node.left
    return [node, *reversed(rights)]


def _all_of(tests: tuple[Test, ...]) -> Test:
    def test(request: Request, trace: Trace) -> bool:
        for part in tests:  # noqa: SIM110 - a generator would cost half a microsecond more
            if not part(request, trace):
                return False
        return True

    return test


def _any_of(tests: tuple[Test, ...]) -> Test:
    def test(request: Request, trace: Trace) -> bool:
        for part in tests:  # noqa: SIM110 - a generator would cost half a microsecond more
            if part(request, trace):
                return True
        return False

    return test


def _int_test(predicate: Predicate) -> Test:
    read, compare, wanted = int_reader(predicate.field.name), _ORDERINGS[predicate.operator], predicate.value

    def test(request: Request, trace: Trace) -> bool:
        value = read(request)
        return value is not None and compare(value, wanted)

    return test


def _address_test(predicate: Predicate) -> Test:
    read, wanted = address_reader(predicate.field.name), predicate.value
    if isinstance(wanted, (IPv4Network, IPv6Network)):
        network, expected = wanted, predicate.operator == "in"

        def in_test(request: Request, trace: Trace) -> bool:
            value = read(request)
            return value is not None and (value in network) is expected

        return in_test
    compare = _ORDERINGS[predicate.operator]

    def test(request: Request, trace: Trace) -> bool:
        value = read(request)
        return value is not None and compare(value, wanted)

    return test


def _string_test(predicate: Predicate) -> Test:
    read = string_reader(predicate.field.name)
    fits, note = _comparison(predicate)
    lower = "lower" in predicate.field.functions
    combine = any if "any" in predicate.field.functions else all
    traced = predicate.field.name == "http.path" and note is not None

    def test(request: Request, trace: Trace) -> bool:
        values = read(request)
        if not values:
            return False
        if lower:
            values = [value.lower() for value in values]
        if not (fits(values[0]) if len(values) == 1 else combine(map(fits, values))):
            return False
        if traced and note is not None:
            note(values[0], trace)
        return True

    return test


def _comparison(
    predicate: Predicate,
) -> tuple[Callable[[bytes], bool], Callable[[bytes, Trace], None] | None]:
    """Return the comparison of one value, and how to note what it matched of a path."""
    text = str(predicate.value)
    wanted = text.encode(errors="surrogatepass")
    if predicate.operator == "~":
        regex = _regex(predicate, text)
        return lambda value: regex.found_in(value), lambda value, trace: _note_regex(value, trace, regex)
    if predicate.operator == "==":
        return wanted.__eq__, lambda value, trace: _note_literal(trace, wanted)
    if predicate.operator == "^=":
        return lambda value: value.startswith(wanted), lambda value, trace: _note_literal(trace, wanted)
    if predicate.operator == "=^":
        return lambda value: value.endswith(wanted), None
    if predicate.operator == "contains":
        return lambda value: wanted in value, None
    return wanted.__ne__, None


def _regex(predicate: Predicate, pattern: str) -> Regex:
    regex = compile_regex(pattern, anchored=False, text=True)
    if isinstance(regex, RegexError):
        # Escapes before the place shift it a little, which a person can bear.
        offset = predicate.text_offset + (regex.offset or 0)
        raise ExpressionError(f"invalid regex: {regex.message}", offset)
    return regex


def _note_literal(trace: Trace, wanted: bytes) -> None:
    trace.matched, trace.regex = wanted, None


def _note_regex(value: bytes, trace: Trace, regex: Regex) -> None:
    spans = regex.spans_in(value)
    trace.matched = None if spans is None else value[spans[0][0] : spans[0][1]]
    trace.regex = regex if regex.group_count else None
