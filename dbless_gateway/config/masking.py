"""Keeping secrets out of texts: what stands in their place, and where.

A text that a person is to read may quote a secret anywhere, so each of them is searched for in the whole of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"

# The words of a message have shorter ones as parts by chance: with the secret `y`, a `key` would read `ke***`
# and tell it. So these are masked only where they stand alone.
_LENGTH_INSIDE_WORDS = 4


def masked_text(text: str, secrets: Iterable[str]) -> str:
    """Return a text that quotes none of these secrets; where they overlap, the longest goes."""
    patterns = [_pattern(secret) for secret in sorted(secrets, key=len, reverse=True) if secret]
    return re.sub("|".join(patterns), MASK, text) if patterns else text


def _pattern(secret: str) -> str:
    literal = re.escape(secret)
    return literal if len(secret) >= _LENGTH_INSIDE_WORDS else rf"(?<!\w){literal}(?!\w)"
