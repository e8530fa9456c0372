"""Keeping values of environment variables out of what is told about a configuration.

Fields that are secrets by their nature are masked where they are shown. Beside them, every text that came
from a variable is hidden here: whoever keeps a value out of the file wants it kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dbless_gateway.config.masking import masked_text
from dbless_gateway.config.problems import Problem
from dbless_gateway.config.records import replace

# The quotes of decK's expression are escaped where the text stands in quotes of its own.
_VARIABLE = re.compile(r"\$\{\{\s*env\s+\\*[\"'`]([^\"'`\\]+)|\$\{([A-Za-z_]\w*)")
# Hiding the letter "a" everywhere would protect nobody.
_MIN_LENGTH = 4


def environment_values(texts: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Return the values of all variables that the files name, longest first."""
    names = {match[1] or match[2] for text in texts.values() for match in _VARIABLE.finditer(text)}
    values = {environ[name] for name in names if name in environ}
    return sorted((value for value in values if len(value) >= _MIN_LENGTH), key=len, reverse=True)


def without_values(problem: Problem, secrets: list[str]) -> Problem:
    """Return a problem that quotes none of these texts."""
    if not secrets:
        return problem
    return replace(
        problem,
        message=hidden(problem.message, secrets),
        suggestion=hidden(problem.suggestion, secrets),
        entity=hidden(problem.entity, secrets),
    )


def hidden(value: Any, secrets: list[str]) -> Any:
    """Return plain data with these texts masked wherever they occur."""
    if not secrets:
        return value
    if isinstance(value, str):
        return masked_text(value, secrets)
    if isinstance(value, list):
        return [hidden(item, secrets) for item in value]
    if isinstance(value, dict):
        return {key: hidden(item, secrets) for key, item in value.items()}
    return value
