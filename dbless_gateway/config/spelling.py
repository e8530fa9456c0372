"""What somebody meant who has misspelled a name."""

from __future__ import annotations

from collections.abc import Iterable


def closest(name: str, known: Iterable[str], cutoff: float) -> str | None:
    """Return the known name that is most like this one, or None when none is as like as ``cutoff`` asks."""
    # Imported here, the one place that needs it: most files have no such mistake.
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, known, n=1, cutoff=cutoff)), None)
