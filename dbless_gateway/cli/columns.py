"""Text in columns, as commands print tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from dbless_gateway.cli.output import printable

_GAP = "  "
# A column grows with its texts up to here; a longer text pushes only its own line.
_WIDTH_MAX = 48


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Return a line for each row, its cells below those of the other rows; control characters are escaped."""
    shown = [[printable(cell) for cell in row] for row in rows]
    count = max(map(len, shown), default=0)
    widths = [
        min(max((len(row[place]) for row in shown if place < len(row)), default=0), _WIDTH_MAX)
        for place in range(count)
    ]
    return [
        indent + _GAP.join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in shown
    ]
