"""The rules that a tree must keep: fields that exist, and operators that fit their types.

The texts are Kong's, since people look them up.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from dbless_gateway.routing.expressions.fields import FieldType, field_type, is_illformed
from dbless_gateway.routing.expressions.tree import Both, Either, ExpressionError, Negation, Node, Predicate

_ORDERING = frozenset((">", ">=", "<", "<="))
_NETWORK = (IPv4Network, IPv6Network)
_ADDRESS = (IPv4Address, IPv6Address)


def check(node: Node, *, http: bool) -> None:
    """Raise ``ExpressionError`` for the first mistake."""
    if isinstance(node, Predicate):
        _check_predicate(node, http=http)
    elif isinstance(node, Negation):
        check(node.inner, http=http)
    else:
        # A long chain leans to the left: walk down it, so that its length does not become depth.
        rights: list[Node] = []
        left: Node = node
        while isinstance(left, Both | Either):
            rights.append(left.right)
            left = left.left
        for part in (left, *reversed(rights)):
            check(part, http=http)


def _check_predicate(predicate: Predicate, *, http: bool) -> None:
    field = predicate.field
    if is_illformed(field.name) and http:
        raise ExpressionError("illformed http.path.segments.* field", field.offset)
    kind = field_type(field.name, http=http)
    if kind is None:
        raise ExpressionError(f"Unknown LHS field: {field.name}", field.offset)
    if "lower" in field.functions and kind is not FieldType.STRING:
        raise ExpressionError(
            "lower-case transformation function only supported with String type fields", field.offset
        )
    message = _mismatch(predicate, kind)
    if message is not None:
        raise ExpressionError(message, predicate.value_offset)


def _mismatch(predicate: Predicate, kind: FieldType) -> str | None:
    operator, value = predicate.operator, predicate.value
    if operator in ("in", "not in"):
        fits = kind is FieldType.ADDRESS and isinstance(value, _NETWORK)
        return None if fits else "In/NotIn operators only supports IP in CIDR"
    if operator == "~":
        fits = kind is FieldType.STRING and isinstance(value, str)
        return None if fits else "Regex operators only supports string operands"
    if not _same_type(kind, value):
        return "Type mismatch between the LHS and RHS values of predicate"
    if operator in ("^=", "=^") and kind is not FieldType.STRING:
        return "Prefix/Postfix operators only supports string operands"
    if operator == "contains" and kind is not FieldType.STRING:
        return "Contains operator only supports string operands"
    if operator in _ORDERING and kind is not FieldType.INT:
        return "Greater/GreaterOrEqual/Less/LessOrEqual operators only supports integer operands"
    return None


def _same_type(kind: FieldType, value: object) -> bool:
    if kind is FieldType.STRING:
        return isinstance(value, str)
    return isinstance(value, int) if kind is FieldType.INT else isinstance(value, _ADDRESS)
