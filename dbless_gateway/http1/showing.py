"""Header lines, and texts, as JSON for logs.

Names are in lower case, the values of a repeated name become a list, and a secret is ``REDACTED``. Most blocks
repeat no name and hold no control characters: ``_showing.c``, where it was built, takes those in one pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import orjson

from dbless_gateway.http1.extensions import showing as _showing

REDACTED = "REDACTED"

# Names remembered; clients may make up any.
_REMEMBERED_NAMES = 1000


def to_json(value: Any) -> str:
    """Return compact JSON; text that is not Unicode (a path of raw bytes) is escaped."""
    try:
        found: bytes = orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":"))
    return found.decode()


def quoted(text: str) -> str:
    """Return a text as JSON."""
    if _showing is not None:
        found: str | None = _showing.quoted(text)
        if found is not None:
            return found
    return to_json(text)


class HeaderTexts:
    """Writes blocks of header lines without these secrets; in their names ``_`` equals ``-``."""

    def __init__(self, secret_names: Iterable[str]) -> None:
        self._secrets = tuple({_folded(name).encode("latin-1", "replace") for name in secret_names})
        self._names: dict[str, tuple[str, bool]] = {}

    def text(self, block: bytes) -> str:
        """Return the lines as a JSON object."""
        if _showing is not None:
            found: str | None = _showing.object(block, self._secrets)
            if found is not None:
                return found
        headers: dict[str, str | list[str]] = {}
        known = self._names
        # Decoded once for all of them, as latin-1: what a header may hold (RFC 9110 section 5.5).
        for line in block.decode("latin-1").split("\r\n")[1:]:
            raw_name, _, value = line.partition(":")
            name, is_secret = known.get(raw_name) or self._remember(raw_name)
            value = REDACTED if is_secret else value.strip(" \t")
            present = headers.get(name)
            if present is None:
                headers[name] = value
            elif isinstance(present, list):
                present.append(value)
            else:
                headers[name] = [present, value]
        return to_json(headers)

    def _remember(self, raw_name: str) -> tuple[str, bool]:
        """Return a name in lower case, and whether its values are secret; remembered, within limits."""
        if len(self._names) >= _REMEMBERED_NAMES:
            self._names.clear()
        is_secret = _folded(raw_name).encode("latin-1") in self._secrets
        named = self._names[raw_name] = (raw_name.lower(), is_secret)
        return named


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")
