"""Regular expressions of a configuration, applied to what strangers send.

google-re2 matches in linear time, so no pattern can be made slow by a clever input. What only PCRE knows
(look-around, back-references) falls back to ``re``: such a pattern is the operator's own choice.
"""

from __future__ import annotations

import re
from typing import Protocol

import re2


class Match(Protocol):
    """What a pattern has found; groups count from 1."""

    def __getitem__(self, group: int, /) -> str: ...


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str, /) -> Match | None: ...
    def match(self, text: str, /) -> Match | None: ...


def compile_pattern(text: str) -> Pattern:
    """Return a compiled pattern; raises ``ValueError`` when it is none."""
    options = re2.Options()
    options.log_errors = False
    try:
        pattern: Pattern = re2.compile(text, options=options)
    except re2.error:
        try:
            return re.compile(text)
        except re.error as error:
            raise ValueError(str(error)) from None
    return pattern
