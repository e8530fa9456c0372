"""Regular expressions of routes: compiled by RE2, and taken apart as far as the index needs.

RE2 matches in linear time, so no pattern and no request can stall the gateway. What it lacks (look-around,
back-references) Kong's default router lacks too. ``literal_prefix`` and ``whole_segments`` find what every
match of a pattern must contain; they may always answer less than the truth, never more.

Nothing here knows of routes; a bad pattern is a value, ``RegexError``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import re2

from dbless_gateway.routing.paths import normalize

_NAMED_GROUP = re.compile(r"(\\.)|\(\?<(?=[A-Za-z_])", re.DOTALL)
_LOOK_AROUND = re.compile(r"\(\?(?:[=!]|<[=!]|>)")
_BACK_REFERENCE = re.compile(r"\\[1-9]|\\k[<{']|\(\?P=")
_REPETITION = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_CLASS_ESCAPES = frozenset(("\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\b", "\\B", "\\A", "\\z"))
_META = frozenset(rb".^$|?*+()[]{}\\")
# A character that is no letter or digit means itself behind a backslash, in every dialect.
_ESCAPED_LITERALS = frozenset(rb"""-/.~%_:;,!&=@'"#$()*+?[\]^{|}""")

# 512 patterns take about 2 ms to compile, the longest step of a build; a look-up in a set costs about 1 us.
SET_SIZE = 512
# RE2 says "no match" when twenty states of its automaton do not fit into the memory of a set. A state takes
# about four bytes for each instruction, so two times this many instructions are far from the limit.
SET_PROGRAM_SIZE = 20_000
_SET_MEMORY_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class RegexError:
    """Why a pattern cannot be used; ``offset`` counts characters from 0."""

    message: str
    offset: int | None
    suggestion: str | None


class Regex:
    """A compiled pattern. ``search`` looks anywhere; anchors are the pattern's own. ``text``: for UTF-8
    only.
    """

    __slots__ = ("group_count", "group_names", "pattern", "program_size", "search", "text")

    def __init__(self, pattern: bytes, compiled: Any, *, text: bool) -> None:
        self.pattern = pattern
        self.text = text
        self.search = compiled.search
        self.group_count: int = compiled.groups
        self.group_names: dict[str, int] = {name.decode(): at for name, at in compiled.groupindex.items()}
        self.program_size: int = compiled.programsize


def compile_regex(pattern: str, *, anchored: bool, text: bool) -> Regex | RegexError:
    """Compile for bytes that are UTF-8 (``text``) or for any bytes; ``anchored`` puts a ``^`` in front.

    As in Kong the ``^`` is glued on, so it binds to the first branch of a bare ``a|b`` only.
    """
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.UTF8 if text else re2.Options.Encoding.LATIN1
    source = ("^" if anchored else "") + _NAMED_GROUP.sub(_python_group, pattern)
    try:
        return Regex(source.encode(), re2.compile(source.encode(), options), text=text)
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

    __slots__ = ("_set",)

    def __init__(self, *, text: bool) -> None:
        options = re2.Options()
        options.log_errors = False
        options.never_capture = True
        options.max_mem = _SET_MEMORY_BYTES
        options.encoding = re2.Options.Encoding.UTF8 if text else re2.Options.Encoding.LATIN1
        self._set = re2.Set.SearchSet(options)

    def add(self, regex: Regex) -> None:
        """Take one more pattern; its number is the count of those before it."""
        self._set.Add(regex.pattern)

    def compile(self) -> None:
        """Finish; atomic, and the most expensive single step of building a router."""
        self._set.Compile()

    def matches(self, text: bytes) -> list[int]:
        """Return the numbers of the patterns that are found in the text."""
        found: list[int] | None = self._set.Match(text)
        return found or []


def literal_prefix(pattern: str) -> bytes:
    """Return bytes that every anchored match of the pattern begins with (possibly none)."""
    if _has_bare_alternative(pattern):
        return b""
    runs = _literal_runs(pattern)
    return runs[0] if runs else b""


def whole_segments(pattern: str) -> list[bytes]:
    """Return path segments that every match of the pattern must contain in full, in order."""
    if _has_bare_alternative(pattern):
        return []
    found: list[bytes] = []
    for run in _literal_runs(pattern):
        found.extend(segment for segment in run.split(b"/")[1:-1] if segment)
    return [segment for segment in found if normalize(b"/" + segment) == b"/" + segment]


def _has_bare_alternative(pattern: str) -> bool:
    """Tell whether a ``|`` may stand outside every group."""
    depth = 0
    for token, _ in _tokens(pattern):
        depth += (token in ("(", "(?")) - (token == ")")
        if token == "|" and depth <= 0:
            return True
    return False


def _literal_runs(pattern: str) -> list[bytes]:
    """Return the stretches of plain text outside all groups; the first is "" unless the pattern begins with
    one.
    """
    runs: list[bytes] = []
    run: list[bytes] = []
    depth = 0
    for token, literal in _tokens(pattern):
        if depth == 0 and literal is not None:
            run.append(literal)
            continue
        if token[:1] in ("?", "*", "+", "{") and run:
            run.pop()  # The character before a quantifier may be absent, or stand there more than once.
        runs.append(b"".join(run))
        run = []
        depth += (token == "(") - (token == ")")
        if token == "(?" or (token[:1] == "\\" and token not in _CLASS_ESCAPES):
            break  # Flags, \\Q and \\p change the meaning of what follows: be content with what is known.
    runs.append(b"".join(run))
    return runs


def _tokens(pattern: str) -> list[tuple[str, bytes | None]]:
    """Cut a pattern into (text, the bytes it stands for literally or None)."""
    tokens: list[tuple[str, bytes | None]] = []
    position = 0
    while position < len(pattern):
        token = _token_at(pattern, position)
        position += len(token)
        if token == "(" and pattern[position : position + 1] == "?":
            named = pattern.startswith(("?P<", "?<", "?:"), position)
            token = "(" if named else "(?"
        tokens.append((token, _literal_of(token)))
    return tokens


def _token_at(pattern: str, position: int) -> str:
    char = pattern[position]
    if char == "\\":
        return pattern[position : position + 2]
    if char == "[":
        return pattern[position : _class_end(pattern, position)]
    if char == "{" and (count := _REPETITION.match(pattern, position)):
        return count[0]
    return char


def _class_end(pattern: str, start: int) -> int:
    position = start + 1
    position += pattern[position : position + 1] == "^"
    position += pattern[position : position + 1] == "]"
    while position < len(pattern):
        if pattern[position] == "\\":
            position += 1
        elif pattern[position] == "[" and pattern[position + 1 : position + 2] == ":":
            position = max(position, pattern.find(":]", position + 2) + 1)
        elif pattern[position] == "]":
            return position + 1
        position += 1
    return len(pattern)


def _literal_of(token: str) -> bytes | None:
    if len(token) == 2 and token[0] == "\\":
        return token[1].encode() if token[1].isascii() and ord(token[1]) in _ESCAPED_LITERALS else None
    if len(token) != 1 or (token.isascii() and ord(token) in _META):
        return None
    return token.encode(errors="replace")
