"""A text that a regular expression matches, for the simple expressions that people write in routes.

Answers "give me a path for ``/users/(?<id>\\d+)$``". It reads the pattern from left to right and takes the
first, shortest way through; what it does not understand ends in None, never in a guess. The caller tries the
result on the real expression.
"""

from __future__ import annotations

import re

_CLASSES = {"d": "1", "w": "w", "s": " ", "D": "x", "W": "-", "S": "x"}
_NOTHING = frozenset("bBAz")
_GROUP_START = re.compile(r"\?(?:P?<[A-Za-z_]\w*>|:)")
_COUNT = re.compile(r"\{(\d+)(?:,\d*)?\}")
# What a negated class is asked for: the first of these that it does not name.
_ORDINARY = "x1-_.~a0"
# Nobody writes a route with more; it also bounds what ``{999}`` can ask for.
_MAX_LENGTH = 1024


def sample(pattern: str) -> str | None:
    """Return a text that the pattern should match; None when the pattern is not simple enough."""
    try:
        text, rest = _alternatives(pattern)
    except (_NotSimple, RecursionError):
        return None
    return text if not rest and len(text) <= _MAX_LENGTH else None


def literal_prefix(pattern: str) -> tuple[str, bool]:
    """Return the plain text that every match begins with, and whether nothing else is asked for.

    The pattern is one of a route: matched from the beginning of the path, and open at its end.
    """
    text, rest = "", pattern
    while rest and rest[0] not in "()[]{}|*+?^$.":
        width = 2 if rest[0] == "\\" else 1
        piece = rest[:width]
        if rest[width : width + 1] in {"*", "+", "?", "{"} or (width == 2 and piece[1:].isalnum()):
            break
        text, rest = text + piece[-1:], rest[width:]
    if "|" in rest:
        # A branch anywhere behind may start the expression anew.
        return "", False
    return text, rest in {"", ".*", "(.*)"}


class _NotSimple(Exception):
    """The pattern uses something that is not worth the effort."""


def _alternatives(pattern: str) -> tuple[str, str]:
    """Read one level of the pattern; return the text of its first branch, and what follows the level."""
    text, rest = _sequence(pattern)
    while rest.startswith("|"):
        _, rest = _sequence(rest[1:])
    return text, rest


def _sequence(pattern: str) -> tuple[str, str]:
    text, rest = "", pattern
    while rest and rest[0] not in "|)":
        piece, rest = _atom(rest)
        times, rest = _repeat(rest)
        text += piece * min(times, _MAX_LENGTH)
    return text, rest


def _atom(pattern: str) -> tuple[str, str]:
    first = pattern[0]
    if first == "(":
        start = _GROUP_START.match(pattern, 1)
        if start is None and pattern.startswith("(?"):
            raise _NotSimple
        text, rest = _alternatives(pattern[start.end() if start is not None else 1 :])
        if not rest.startswith(")"):
            raise _NotSimple
        return text, rest[1:]
    if first == "[":
        return _class(pattern)
    if first == "\\":
        return _escape(pattern[1:2]), pattern[2:]
    if first in "^$":
        return "", pattern[1:]
    if first in "*+?{":
        raise _NotSimple
    return ("x" if first == "." else first), pattern[1:]


def _escape(letter: str) -> str:
    if letter in _NOTHING:
        return ""
    if letter in _CLASSES:
        return _CLASSES[letter]
    if not letter or letter.isalnum():
        raise _NotSimple
    return letter


def _class(pattern: str) -> tuple[str, str]:
    """Return one character of a class in brackets."""
    end = pattern.find("]", 3 if pattern.startswith("[^") else 2)
    inside = pattern[1:end]
    if end < 0 or "[" in inside:
        raise _NotSimple
    if inside.startswith("^"):
        free = re.compile(f"[{inside}]")
        found = next((letter for letter in _ORDINARY if free.fullmatch(letter)), None)
        if found is None:
            raise _NotSimple
        return found, pattern[end + 1 :]
    return (_escape(inside[1:2]) if inside.startswith("\\") else inside[:1]), pattern[end + 1 :]


def _repeat(rest: str) -> tuple[int, str]:
    """Return how often the atom before is wanted at least, and what follows the quantifier."""
    count = _COUNT.match(rest)
    if count is not None:
        times, rest = int(count[1][:4]), rest[count.end() :]
    elif rest[:1] in {"*", "?"}:
        times, rest = 0, rest[1:]
    elif rest[:1] == "+":
        times, rest = 1, rest[1:]
    else:
        return 1, rest
    return times, rest.removeprefix("?")
