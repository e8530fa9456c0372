"""What an expression promises about every request that it takes, so that the index can keep it in one place.

A hint may promise less than the expression says, never more: the expression itself is always evaluated.
``&&`` may use what either side promises, ``||`` only what both do, ``!`` nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from dbless_gateway.routing.anatomy import anatomy
from dbless_gateway.routing.classic import path_selectors
from dbless_gateway.routing.expressions.evaluate import flatten
from dbless_gateway.routing.expressions.fields import header_of, query_of, segment_range
from dbless_gateway.routing.expressions.tree import Both, Either, Node, Predicate
from dbless_gateway.routing.hosts import ANY_HOST, HostKind, HostPattern
from dbless_gateway.routing.regexes import Regex, compile_regex
from dbless_gateway.routing.rules import Placement, Selector, SelectorKind

# More places than this for one expression cost more than they save.
_MAX_PLACES = 64
_HOST_KINDS = {"==": HostKind.EXACT, "^=": HostKind.PREFIX, "=^": HostKind.SUFFIX}


class Hint(NamedTuple):
    """None stands for "nothing known"."""

    hosts: frozenset[HostPattern] | None = None
    prefixes: frozenset[bytes] | None = None
    selectors: frozenset[Selector] = frozenset()
    regex: Regex | None = None


_NOTHING = Hint()


def placement_of(node: Node) -> Placement:
    """Return where the index keeps the expression."""
    hint = _hint(node)
    hosts = hint.hosts if hint.hosts and len(hint.hosts) <= _MAX_PLACES else {ANY_HOST}
    prefixes = hint.prefixes if hint.prefixes and len(hint.prefixes) * len(hosts) <= _MAX_PLACES else {b""}
    return Placement(tuple(hosts), tuple(prefixes), tuple(hint.selectors), hint.regex)


def _hint(node: Node) -> Hint:
    if isinstance(node, Predicate):
        return _predicate_hint(node)
    if isinstance(node, Both):
        return _joined([_hint(part) for part in flatten(node, Both)])
    if isinstance(node, Either):
        return _merged([_hint(part) for part in flatten(node, Either)])
    return _NOTHING


def _joined(hints: list[Hint]) -> Hint:
    """All hold: take the tightest of each."""
    hosts = [hint.hosts for hint in hints if hint.hosts is not None]
    prefixes = [hint.prefixes for hint in hints if hint.prefixes is not None]
    selectors = frozenset[Selector]().union(*(hint.selectors for hint in hints))
    regex = next((hint.regex for hint in hints if hint.regex is not None), None)
    return Hint(
        min(hosts, key=len, default=None),
        max(prefixes, key=lambda texts: min(map(len, texts)), default=None),
        selectors,
        regex,
    )


def _merged(hints: list[Hint]) -> Hint:
    """One of them holds: only what all of them speak of is known."""
    hosts: frozenset[HostPattern] | None = None
    if all(hint.hosts is not None for hint in hints):
        hosts = frozenset[HostPattern]().union(*(hint.hosts or () for hint in hints))
    prefixes: frozenset[bytes] | None = None
    if all(hint.prefixes is not None for hint in hints):
        prefixes = frozenset[bytes]().union(*(hint.prefixes or () for hint in hints))
    first = {(one.kind, one.name) for one in hints[0].selectors}
    common = first.intersection(*({(one.kind, one.name) for one in hint.selectors} for hint in hints[1:]))
    selectors = frozenset(
        Selector(kind, name, frozenset[bytes]().union(*(_values(hint, kind, name) for hint in hints)))
        for kind, name in common
    )
    return Hint(hosts, prefixes, selectors)


def _values(hint: Hint, kind: SelectorKind, name: bytes) -> frozenset[bytes]:
    return next(one.values for one in hint.selectors if (one.kind, one.name) == (kind, name))


def _predicate_hint(predicate: Predicate) -> Hint:
    name, value = predicate.field.name, predicate.value
    if not isinstance(value, str):
        return _NOTHING
    text = value.encode(errors="surrogatepass")
    lower = "lower" in predicate.field.functions
    if name == "http.host" and predicate.operator in _HOST_KINDS:
        return _host_hint(_HOST_KINDS[predicate.operator], text.lower())
    if name == "http.path":
        return _NOTHING if lower else _path_hint(predicate.operator, text, value)
    if predicate.operator == "==":
        return _equality_hint(name, text, lower=lower)
    return _NOTHING


def _host_hint(kind: HostKind, text: bytes) -> Hint:
    return Hint(hosts=frozenset((HostPattern(kind, text, None),))) if text else _NOTHING


def _path_hint(operator: str, text: bytes, pattern: str) -> Hint:
    if operator in ("==", "^="):
        return Hint(prefixes=frozenset((text,)))
    if operator != "~":
        return _NOTHING
    regex = compile_regex(pattern, anchored=False, text=True)
    assert isinstance(regex, Regex), "hints are read off an expression that compiles"
    parts = anatomy(pattern.removeprefix("^"))
    prefix = parts.prefix if pattern.startswith("^") else b""
    selectors = frozenset(path_selectors(parts))
    return Hint(prefixes=frozenset((prefix,)), selectors=selectors, regex=regex)


def _equality_hint(name: str, text: bytes, *, lower: bool) -> Hint:
    if (header := header_of(name)) is not None:
        return _selected(SelectorKind.HEADER, header, text.lower())
    if name == "tls.sni":
        return _selected(SelectorKind.SNI, b"", text.lower())
    if lower:
        return _NOTHING  # The selectors below compare as sent.
    if (query := query_of(name)) is not None:
        return _selected(SelectorKind.QUERY, query, text)
    if name == "http.method":
        return _selected(SelectorKind.METHOD, b"", text)
    if (segments := segment_range(name)) is not None:
        if segments[0] == 0:
            return Hint(prefixes=frozenset((b"/" + text,)))
        return _NOTHING if b"/" in text else _selected(SelectorKind.SEGMENT, b"", text)
    return _NOTHING


def _selected(kind: SelectorKind, name: bytes, value: bytes) -> Hint:
    return Hint(selectors=frozenset((Selector(kind, name, frozenset((value,))),)))
