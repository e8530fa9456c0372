"""``name:value`` entries of the transformers' configurations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dbless_gateway.pdk.plugin import ConfigError

# Split at the first run of colons; everything behind it is the value, colons and spaces included.
_ENTRY = re.compile(r"([^:]+):*(.*)", re.DOTALL)
_HEADER_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Entry(NamedTuple):
    """One entry, and where it stands in the configuration."""

    field: str
    name: str
    value: str


def parse_entries(field: str, texts: Iterable[str]) -> Iterator[Entry]:
    """Return the entries of a list, in order."""
    for position, text in enumerate(texts):
        found = _ENTRY.fullmatch(text)
        place = f"{field}[{position}]"
        if found is None:
            raise ConfigError(place, f"invalid value: {text}")
        yield Entry(place, found[1], found[2])


def wire_text(text: str) -> str:
    """Return text as headers carry it: a character for each byte of its UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def check_header_name(field: str, name: str) -> None:
    """Raise ``ConfigError`` when a header cannot have this name."""
    if not _HEADER_NAME.fullmatch(name):
        raise ConfigError(field, f"'{name}' is not a valid header")
