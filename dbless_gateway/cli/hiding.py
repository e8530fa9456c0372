"""Keeping secrets out of what commands print about a loaded configuration.

Fields that are secrets by their nature are masked by ``config.export``. Beside them, every text that came
from an environment variable is hidden here: whoever keeps a value out of the file wants it kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dbless_gateway.config.export import MASK

# The quotes of decK's expression are escaped where the text stands in quotes of its own.
_VARIABLE = re.compile(r"\$\{\{\s*env\s+\\*[\"'`]([^\"'`\\]+)|\$\{([A-Za-z_]\w*)")
# Hiding the letter "a" everywhere would protect nobody.
_MIN_LENGTH = 4


def environment_values(texts: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Return the values of all variables that the files name, longest first."""
    names = {match[1] or match[2] for text in texts.values() for match in _VARIABLE.finditer(text)}
    values = {environ[name] for name in names if name in environ}
    return sorted((value for value in values if len(value) >= _MIN_LENGTH), key=len, reverse=True)


def hidden(value: Any, secrets: list[str]) -> Any:
    """Return plain data with these texts masked wherever they occur."""
    if not secrets:
        return value
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, list):
        return [hidden(item, secrets) for item in value]
    if isinstance(value, dict):
        return {key: hidden(item, secrets) for key, item in value.items()}
    return value
