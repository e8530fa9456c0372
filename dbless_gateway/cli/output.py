"""Standard output for text that quotes files: it neither fails nor paints the terminal."""

from __future__ import annotations

import re
import sys

# Control characters, and those that turn the direction of writing or break a line.
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def put(text: str) -> None:
    """Write a text; what the terminal's encoding does not have is written as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def printable(text: str) -> str:
    """Return a text without characters that do something to a terminal, or hide something in it."""
    return CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
