"""What every match of a regular expression must contain, read off the pattern without matching anything.

The index keeps a regex under the plain text it begins with, and tells regexes apart by the path segments and
the words they spell out. All may be less than the truth, never more: whatever is not understood ends what is
known.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dbless_gateway.routing.paths import normalize

# An escape, a class, a repetition, the beginning of a group that changes no flags or of one that may, plain
# text, any other character. A "]" that stands first in a class, also behind "^", is a member of it.
_TOKEN = re.compile(
    r"""
      \\.?
    | \[ \^? \]?+ (?: \[: .*? :\] | \\. | [^\]] )*+ (?: \] | \Z )
    | \{ [0-9]+ (?: ,[0-9]* )? \}
    | \( \? (?: P?< [A-Za-z_][0-9A-Za-z_]* > | : )
    | \( \?
    | [^\\\[\](){}|?*+.^$]+
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_SPECIAL = frozenset("\\[](){}|?*+.^$")
_QUANTIFIERS = frozenset("?*+{")
# Punctuation means itself behind a backslash, in every dialect.
_ESCAPED_LITERALS = frozenset(r"""-/.~%_:;,!&=@'"#$()*+?[\]^{|}""")
# Escapes that stand for one character or for none, and change nothing behind them. \Q and \p{..} are not
# among them.
_SIMPLE_ESCAPES = frozenset(("\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\b", "\\B", "\\A", "\\z"))
_WORD = re.compile(rb"[0-9A-Za-z]+")
_WHOLE_WORD = re.compile(rb"(?<=[^0-9A-Za-z])[0-9A-Za-z]+(?=[^0-9A-Za-z])")
_WHOLE_WORD_OR_LAST = re.compile(rb"(?<=[^0-9A-Za-z])[0-9A-Za-z]+(?=[^0-9A-Za-z]|\Z)")


class Anatomy(NamedTuple):
    """The bytes that every anchored match begins with, the path segments that it has in full, and words."""

    prefix: bytes
    segments: tuple[bytes, ...]
    words: tuple[bytes, ...]


class _Run(NamedTuple):
    """Plain text; ``is_last`` when nothing can follow it in the path."""

    text: bytes
    is_last: bool


_UNKNOWN = Anatomy(b"", (), ())


def words_of(path: bytes) -> list[bytes]:
    """Return the stretches of letters and digits."""
    return _WORD.findall(path)


def anatomy(pattern: str) -> Anatomy:
    """Take a pattern apart; it must be one that RE2 accepts."""
    runs = _literal_runs(pattern)
    if not runs:
        return _UNKNOWN
    segments: list[bytes] = []
    words: list[bytes] = []
    for text, is_last in runs:
        whole = text.split(b"/")[1:] if is_last else text.split(b"/")[1:-1]
        segments.extend(filter(_is_normal, whole))
        words += (_WHOLE_WORD_OR_LAST if is_last else _WHOLE_WORD).findall(text)
    return Anatomy(runs[0].text, tuple(segments), tuple(word for word in words if word not in segments))


def _is_normal(segment: bytes) -> bool:
    """Tell whether a normalised path can have the segment at all; if not, looking for it is no use."""
    return bool(segment) and normalize(b"/" + segment) == b"/" + segment


def _literal_runs(pattern: str) -> list[_Run]:
    """Return the stretches of plain text outside all groups, the first one at the very beginning.

    An alternative outside all groups makes everything optional: nothing is known then.
    """
    runs: list[_Run] = []
    run, depth = "", 0
    for match in _TOKEN.finditer(pattern):
        token = match[0]
        text = _literal(token)
        if text is not None:
            run += text if depth == 0 else ""
            continue
        if token == "|" and depth == 0:
            return []
        # What stands before a quantifier may be absent, or be there more than once.
        kept = run[:-1] if token[0] in _QUANTIFIERS else run
        follower = pattern[match.end() : match.end() + 1]
        runs.append(_Run(kept.encode(), token == "$" and depth == 0 and follower not in _QUANTIFIERS))
        run = ""
        if token == "(?" or (token[0] == "\\" and token not in _SIMPLE_ESCAPES):
            return [] if "|" in pattern[match.end() :] else runs
        depth += (token[0] == "(") - (token == ")")
    runs.append(_Run(run.encode(), is_last=False))
    return runs


def _literal(token: str) -> str | None:
    """Return what a token stands for when it is plain text."""
    if token[0] not in _SPECIAL:
        return token
    return token[1] if token[0] == "\\" and token[1:] in _ESCAPED_LITERALS else None
