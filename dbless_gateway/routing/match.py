"""A match: what the router answers, and the captures of the route's regular expression.

Both are immutable to the outside; captures are worked out when somebody asks, since most routes have none
and most plugins do not look.
"""

from __future__ import annotations

import re
from typing import Generic

from dbless_gateway.routing.paths import escape, join
from dbless_gateway.routing.regexes import NO_SPAN, Regex
from dbless_gateway.routing.request import Request
from dbless_gateway.routing.rules import Rule, T

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")


class Captures:
    """The groups of a match; bytes that are not UTF-8 are replaced.

    ``unnamed[0]`` is the whole match, and a group that took no part is None.
    """

    __slots__ = ("named", "unnamed")

    def __init__(self, regex: Regex, path: bytes) -> None:
        self.unnamed: tuple[str | None, ...] = tuple(
            None if (begin, end) == NO_SPAN else path[begin:end].decode(errors="replace")
            for begin, end in regex.spans_in(path) or ()
        )
        self.named: dict[str, str | None] = {
            name: self.unnamed[number] for name, number in regex.group_names.items() if self.unnamed
        }


class Match(Generic[T]):
    """The winner; ``upstream_path`` is what the target is asked for, escaped and without a query.

    ``prefix`` is what X-Forwarded-Prefix says: the part of the path that was stripped, unless that was only
    ``/``.
    """

    __slots__ = ("_captures", "_path", "_regex", "prefix", "upstream_path", "value")

    def __init__(
        self, value: T, prefix: bytes | None, upstream_path: bytes, path: bytes, regex: Regex | None
    ) -> None:
        self.value = value
        self.prefix = prefix
        self.upstream_path = upstream_path
        self._path = path
        self._regex = regex
        self._captures: Captures | None = None

    @property
    def captures(self) -> Captures | None:
        """The groups of the path's regex; None when it has none."""
        if self._captures is None and self._regex is not None:
            self._captures = Captures(self._regex, self._path)
        return self._captures


def make_match(rule: Rule[T], request: Request) -> Match[T]:
    """Work out what follows from a rule that matches."""
    path, strip = request.path, rule.strip
    matched, regex = (None, None) if rule.path is None else rule.path.matched(request)
    length = None if matched is None else len(matched)
    target = join(rule.service_path, path, matched_length=length, strip=strip, v1=rule.v1)
    prefix = _printable(matched) if strip and matched and matched != b"/" else None
    return Match(rule.value, prefix, escape(target), path, regex)


def _printable(prefix: bytes) -> bytes:
    """Keep decoded control characters out of a header's value; the rest stays as Kong sends it."""
    return escape(prefix) if _CONTROLS.search(prefix) else prefix
