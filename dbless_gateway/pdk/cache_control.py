"""Cache-Control and media types, as far as a cache has to understand them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

Directives = Mapping[str, float | str | bool]

# What clients and targets say is nearly always the same; longer texts than these are not worth the memory.
_TEXTS_REMEMBERED: Final = 512
_LONGEST_REMEMBERED: Final = 256


class MediaType(NamedTuple):
    """A parsed content type; type, subtype and parameter names are lower case."""

    type: str
    subtype: str
    parameters: Mapping[str, str]


def parse_directives(lines: list[str]) -> Directives:
    """Return the directives of all Cache-Control lines: a number, a text, or True when there is no value."""
    text = ",".join(lines)
    return _remembered_directives(text) if len(text) <= _LONGEST_REMEMBERED else _directives(text)


def _directives(text: str) -> Directives:
    directives: dict[str, float | str | bool] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if name:
            directives[name.strip().lower()] = _value(value.strip().strip('"')) if equals else True
    return directives


@lru_cache(maxsize=_TEXTS_REMEMBERED)
def _remembered_directives(text: str) -> Directives:
    return _directives(text)


def seconds(directives: Directives, name: str) -> float | None:
    """Return the value of a directive that takes seconds; None when it has none."""
    value = directives.get(name)
    return value if isinstance(value, float) else None


def response_ttl_s(directives: Directives, expires: list[str], now: float) -> float:
    """Return how long a response is fresh: ``s-maxage``, else ``max-age``, else the last ``Expires``; never
    below 0.
    """
    for name in ("s-maxage", "max-age"):
        value = seconds(directives, name)
        if value is not None:
            return max(value, 0.0)
    if not expires:
        return 0.0
    try:
        # Imported here, the one place that needs it: it takes longer than all else of this plugin.
        from email.utils import parsedate_to_datetime

        return max(parsedate_to_datetime(expires[-1]).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return 0.0


def parse_media_type(text: str) -> MediaType | None:
    """Return the parts of a content type; None when it is not one. ``*`` alone stands for ``*/*``."""
    return _remembered_media_type(text) if len(text) <= _LONGEST_REMEMBERED else _media_type(text)


def _media_type(text: str) -> MediaType | None:
    essence, *rest = text.split(";")
    kind, slash, subtype = essence.strip().lower().partition("/")
    if not slash and kind == "*":
        subtype = "*"
    if not kind or not subtype or " " in kind or " " in subtype:
        return None
    parameters = {}
    for part in rest:
        name, equals, value = part.strip().partition("=")
        if not equals or not name or not value:
            return None
        parameters[name.lower()] = value.strip('"')
    return MediaType(kind, subtype, parameters)


@lru_cache(maxsize=_TEXTS_REMEMBERED)
def _remembered_media_type(text: str) -> MediaType | None:
    return _media_type(text)


def matches(offered: MediaType, wanted: MediaType) -> bool:
    """Tell whether a response's type is the wanted one; parameters must be equal."""
    return (
        wanted.type in ("*", offered.type)
        and wanted.subtype in ("*", offered.subtype)
        and wanted.parameters == offered.parameters
    )


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
