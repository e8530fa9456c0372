"""Templates of the transformers: text with ``$(expression)`` in it.

Everything outside of ``$(...)`` is literal; an expression reaches to the parenthesis that balances. nil and
false render as nothing. A template without expressions costs nothing: it is its text.

Text is UTF-8 decoded, whatever it comes from; bytes that are not UTF-8 are surrogates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

from dbless_gateway.pdk.context import Context
from dbless_gateway.pdk.expression import (
    FUNCTIONS,
    Evaluate,
    ExpressionError,
    compile_expression,
    to_text,
)
from dbless_gateway.pdk.query import parse_wire_query


class Template:
    """A compiled template."""

    __slots__ = ("_parts", "_text")

    def __init__(self, text: str) -> None:
        self._text: str | None = None
        self._parts: list[str | Evaluate] = list(_split(text))
        if all(isinstance(part, str) for part in self._parts):
            self._text = text

    def render(self, scope: Mapping[str, Any]) -> str:
        """Return the text for one request; raises ``ExpressionError``."""
        if self._text is not None:
            return self._text
        return "".join(part if isinstance(part, str) else _shown(part(scope)) for part in self._parts)


class RequestScope(Mapping[str, Any]):
    """The names that templates know; each source is loaded on first use and then keeps its values.

    ``removed`` are headers that are gone before the first use, lower case.
    """

    def __init__(self, ctx: Context) -> None:
        removed = self.removed = set[str]()
        self._values: dict[str, Any] = {}
        # These know the set and not the scope: a cycle would keep every request until the collector runs.
        self._sources: dict[str, Callable[[], Any]] = {
            "headers": lambda: HeaderTable(_request_headers(ctx, removed)),
            "query_params": lambda: _one_or_all(_arguments(ctx)),
            "uri_captures": lambda: _captures(ctx),
            "shared": lambda: ctx.shared,
        }

    def __getitem__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        source = self._sources.get(name)
        value = self._values[name] = source() if source is not None else FUNCTIONS[name]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter([*self._sources, *FUNCTIONS])

    def __len__(self) -> int:
        return len(self._sources) + len(FUNCTIONS)


class HeaderTable:
    """Headers by name, in any case, with ``-`` or ``_``; a list when there are several."""

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in headers:
            text = value.encode("latin-1").decode("utf-8", "surrogateescape")
            values.setdefault(_plain(name), []).append(text)
        self._values = _one_or_all(values)

    def get(self, name: Any) -> Any:
        return self._values.get(_plain(str(name)))


def _arguments(ctx: Context) -> dict[str, list[str | bool]]:
    values: dict[str, list[str | bool]] = {}
    for name, value in parse_wire_query(ctx.raw_query or ""):
        values.setdefault(name, []).append(value)
    return values


def _request_headers(ctx: Context, removed: Set[str]) -> list[tuple[str, str]]:
    """Return what other plugins have made of the headers, and those that the gateway itself treats."""
    changed = ctx.upstream.headers
    kept = [
        (name, value)
        for name, value in ctx.headers.items()
        if changed.get(name) is None and name.lower() not in removed
    ]
    return [*kept, *changed.items()]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _one_or_all(values: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def _captures(ctx: Context) -> dict[str | int, str | None]:
    captures = ctx.captures
    if captures is None:
        return {}
    table: dict[str | int, str | None] = dict(enumerate(captures.unnamed))
    table.update(captures.named)
    return table


def _shown(value: Any) -> str:
    return "" if value is None or value is False else to_text(value)


def _split(text: str) -> Iterator[str | Evaluate]:
    place = 0
    while (start := text.find("$(", place)) >= 0:
        if start > place:
            yield text[place:start]
        end = _balancing(text, start + 1)
        yield compile_expression(text[start + 2 : end])
        place = end + 1
    if place < len(text):
        yield text[place:]


def _balancing(text: str, opening: int) -> int:
    """Return the place of the parenthesis that closes the one at ``opening``, quoted ones left aside."""
    depth, quote, place = 0, "", opening
    while place < len(text):
        character = text[place]
        if quote:
            place += character == "\\"
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    raise ExpressionError("missing ')' of '$('")
