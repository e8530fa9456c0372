"""Expressions that say no more than classic fields do, as the conditions which those become.

Most expressions are a few comparisons joined by ``&&``: a host, how the path begins, methods, a header. Where
the index keeps such a route already says half of it, and the other half is a look-up or two, so it is
matched as fast as a route with classic fields. Anything else is evaluated (``evaluate``).
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from dbless_gateway.config.records import dataclass
from dbless_gateway.routing.conditions import Condition, HeaderIs, MethodIn, PathCondition
from dbless_gateway.routing.expressions.evaluate import flatten
from dbless_gateway.routing.expressions.fields import header_of
from dbless_gateway.routing.expressions.tree import Both, Either, Node, Predicate
from dbless_gateway.routing.regexes import Regex
from dbless_gateway.routing.request import Request

_CASELESS_HEADER = ("any", "lower")


@dataclass(frozen=True, slots=True)
class HostInLowerCase:
    """The client wrote the host in lower case: the index folds it, expressions compare it as sent."""

    kind: ClassVar[str] = "expression"

    def __call__(self, request: Request) -> bool:
        return request.host_sent == request.host


_HOST_IN_LOWER_CASE = HostInLowerCase()


@dataclass(frozen=True, slots=True)
class PathBegins:
    """The index has seen that the path begins so; this tells how much that was."""

    prefix: bytes
    kind: ClassVar[str] = "expression"

    def __call__(self, request: Request) -> bool:
        return request.path.startswith(self.prefix)

    def matched(self, request: Request) -> tuple[bytes | None, Regex | None]:
        return self.prefix, None


class Lowered(NamedTuple):
    """``checks`` are what the expression's placement leaves open."""

    checks: tuple[Condition, ...]
    path: PathCondition | None


def lower(tree: Node) -> Lowered | None:
    """Return the conditions, or None when the expression says something else, too.

    Of two hosts or two paths the placement could promise one only.
    """
    checks: list[Condition] = []
    path: PathBegins | None = None
    for part in flatten(tree, Both):
        check = _methods(part) or _header(part)
        if check is None and _HOST_IN_LOWER_CASE not in checks:
            check = _host(part)
        if check is not None:
            checks.append(check)
            continue
        begins = _path(part)
        if begins is None or path is not None:
            return None
        path = begins
    return Lowered(tuple(checks), path)


def _path(part: Node) -> PathBegins | None:
    text = _text(part, "http.path", "^=")
    return None if text is None else PathBegins(text.encode(errors="surrogatepass"))


def _host(part: Node) -> Condition | None:
    text = _text(part, "http.host", "==")
    # With a colon the index may have found the host together with its port.
    if not text or text != text.lower() or ":" in text:
        return None
    return _HOST_IN_LOWER_CASE


def _methods(part: Node) -> Condition | None:
    methods = [_text(one, "http.method", "==") for one in flatten(part, Either)]
    known = [method.encode(errors="surrogatepass") for method in methods if method is not None]
    return MethodIn(frozenset(known)) if len(known) == len(methods) else None


def _header(part: Node) -> Condition | None:
    if not isinstance(part, Predicate) or part.field.functions != _CASELESS_HEADER or part.operator != "==":
        return None
    name, text = header_of(part.field.name), str(part.value)
    # Kong keeps Host out of the headers.
    if name is None or name == b"host" or text != text.lower():
        return None
    return HeaderIs(name, frozenset((text.encode(errors="surrogatepass"),)), ())


def _text(part: Node, field: str, operator: str) -> str | None:
    """Return what a plain comparison of the field compares with."""
    if not isinstance(part, Predicate) or part.field.name != field or part.field.functions:
        return None
    return part.value if part.operator == operator and isinstance(part.value, str) else None
