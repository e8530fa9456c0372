"""Standard output for text that quotes files: whatever they hold, writing it must not fail."""

from __future__ import annotations

import sys


def put(text: str) -> None:
    """Write a text; what the terminal's encoding does not have is written as an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
