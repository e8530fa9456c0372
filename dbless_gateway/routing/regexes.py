"""Regular expressions of routes, compiled by RE2, and sets of them.

RE2 matches in linear time, so no pattern and no request can stall the gateway. What it lacks (look-around,
back-references) Kong's default router lacks too. Nothing here knows of routes; a bad pattern is a value,
``RegexError``. RE2 is loaded with the first pattern: many configurations have none, and ``validate`` would wait
for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dbless_gateway.config.records import dataclass

Span = tuple[int, int]
NO_SPAN: Span = (-1, -1)

_NAMED_GROUP = re.compile(r"(\\.)|\(\?<(?=[A-Za-z_])", re.DOTALL)
_LOOK_AROUND = re.compile(r"\(\?(?:[=!]|<[=!]|>)")
_BACK_REFERENCE = re.compile(r"\\[1-9]|\\k[<{']|\(\?P=")

# A look-up in a set costs about 1 us, however many patterns it has, so sets are as large as a slice of a
# build bears: compiling 12,000 instructions (600 to 1,000 usual patterns) takes about 2.5 ms and cannot be
# interrupted. Larger patterns are better left alone, too: with ten times as many instructions RE2 refuses
# the set.
SET_SIZE = 1024
SET_PROGRAM_SIZE = 12_000
# RE2 says "no match" when twenty states of its automaton, each with about four bytes for an instruction, do
# not fit into this; they take a tenth of it.
_SET_MEMORY_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class RegexError:
    """Why a pattern cannot be used; ``offset`` counts characters from 0."""

    message: str
    offset: int | None
    suggestion: str | None


class Regex:
    """A compiled pattern for UTF-8 (``text``) or for any bytes; anchors are the pattern's own."""

    __slots__ = ("_anywhere", "_match", "group_count", "group_names", "pattern", "program_size", "text")

    def __init__(self, pattern: bytes, compiled: Any, anywhere: Any, *, text: bool) -> None:
        self.pattern = pattern
        self.text = text
        # The public search() goes through a generator and a match object, which cost three times as much as
        # RE2's own answer.
        self._match: Callable[[Any, bytes, int, int], list[Span]] = compiled._regexp.Match
        self._anywhere = anywhere
        self.group_count: int = compiled.groups
        self.group_names: dict[str, int] = {name.decode(): at for name, at in compiled.groupindex.items()}
        self.program_size: int = compiled.programsize

    def found_in(self, text: bytes) -> bool:
        """Tell whether the pattern is found anywhere."""
        return self._match(self._anywhere, text, 0, len(text))[0] != NO_SPAN

    def spans_in(self, text: bytes) -> list[Span] | None:
        """Return where the whole match and each group begin and end; ``NO_SPAN`` for a group without part."""
        spans = self._match(self._anywhere, text, 0, len(text))
        return None if spans[0] == NO_SPAN else spans


def compile_regex(pattern: str, *, anchored: bool, text: bool) -> Regex | RegexError:
    """Compile for bytes that are UTF-8 (``text``) or for any bytes; ``anchored`` puts a ``^`` in front.

    As in Kong the ``^`` is glued on, so it binds to the first branch of a bare ``a|b`` only.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.UTF8 if text else re2.Options.Encoding.LATIN1
    source = ("^" if anchored else "") + _NAMED_GROUP.sub(_python_group, pattern)
    try:
        return Regex(
            source.encode(), re2.compile(source.encode(), options), re2._Anchor.UNANCHORED, text=text
        )
    except re2.error as error:
        return _explain(pattern, _text_of(error.args[0]))
    except UnicodeEncodeError:
        return RegexError("the pattern is not valid Unicode text", None, None)


def _python_group(match: re.Match[str]) -> str:
    return match[1] or "(?P<"


def _text_of(message: str | bytes) -> str:
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)


def _explain(pattern: str, message: str) -> RegexError:
    """Name what people most often try, and find the place: RE2 says only which fragment it did not like."""
    if found := _LOOK_AROUND.search(pattern):
        return RegexError(
            f"look-around is not supported: {found[0]}",
            found.start(),
            "match the whole path instead, or put the exception into a second route",
        )
    if found := _BACK_REFERENCE.search(pattern):
        return RegexError(
            f"back-references are not supported: {found[0]}", found.start(), "write the repeated part out"
        )
    _, _, fragment = message.partition(": ")
    offset = pattern.find(fragment) if fragment else -1
    return RegexError(message, offset if offset >= 0 else None, None)


class RegexSet:
    """Up to ``SET_SIZE`` patterns that are tried in one pass over the text."""

    __slots__ = ("_set", "matches")

    def __init__(self, *, text: bool) -> None:
        import re2

        options = re2.Options()
        options.log_errors = False
        options.never_capture = True
        options.max_mem = _SET_MEMORY_BYTES
        options.encoding = re2.Options.Encoding.UTF8 if text else re2.Options.Encoding.LATIN1
        self._set = re2.Set.SearchSet(options)
        # Returns the numbers of the patterns that are found in a text, or None; bound here, since a call
        # more would cost a tenth of the look-up.
        self.matches: Callable[[bytes], list[int] | None] = self._set.Match

    def add(self, regex: Regex) -> None:
        """Take one more pattern; its number is the count of those before it."""
        self._set.Add(regex.pattern)

    def compile(self) -> None:
        """Finish; atomic, and the most expensive single step of building a router."""
        self._set.Compile()
