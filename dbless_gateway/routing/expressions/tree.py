"""The parts of a parsed expression, as plain values, and the error for text that is none.

A tree knows nothing of fields that exist or of types that fit; ``check`` does.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from dbless_gateway.config.records import dataclass

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Value = str | int | Address | Network


class ExpressionError(Exception):
    """Why a text is no valid expression; ``offset`` counts characters from 0.

    Raised by the parser and the checker, and turned into a problem by ``rules``.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Field:
    """The left side: a field, and the functions around it, the outermost first."""

    name: str
    functions: tuple[str, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Predicate:
    """One comparison.

    ``value_offset`` is where the right side begins, ``text_offset`` where the text of a string does.
    """

    field: Field
    operator: str
    value: Value
    offset: int
    value_offset: int
    text_offset: int


@dataclass(frozen=True, slots=True)
class Both:
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Either:
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negation:
    inner: Node


Node = Predicate | Both | Either | Negation


def fields_of(node: Node) -> set[str]:
    """Return the names of all fields that an expression reads."""
    names: set[str] = set()
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Predicate):
            names.add(part.field.name)
        elif isinstance(part, Negation):
            waiting.append(part.inner)
        else:
            waiting += (part.left, part.right)
    return names
