"""What a plain (unquoted) YAML scalar means: null, boolean, number or text.

These are the YAML 1.1 rules as Kong's reader applies them, and they differ from PyYAML's in two places:
``1e3`` is a number, and a date is text. In one place they differ from Kong's too: a number that is not finite
(``.inf``, ``.nan``, ``1e999``) is text, because no field has a use for it and much code would break on it.
``surprising`` names the readings that people do not expect, for lints.
"""

from __future__ import annotations

import re
from math import isfinite

_WORDS: dict[str, bool | None] = {
    word: value
    for value, stems in (
        (None, ("null",)),
        (True, ("true", "yes", "on")),
        (False, ("false", "no", "off")),
    )
    for stem in stems
    for word in (stem, stem.capitalize(), stem.upper())
} | {"": None, "~": None}

# The longest text that is read as a number. Python refuses to convert very long integers, and base-60
# conversion is quadratic; no field has a use for either.
_MAX_NUMBER_LENGTH = 128

_NUMBER_STARTS = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_PREFIXED = re.compile(r"[-+]?(?:0x[0-9a-fA-F_]*[0-9a-fA-F][0-9a-fA-F_]*|0b[01_]*[01][01_]*)")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_SEXAGESIMAL = re.compile(r"[-+]?(?:[1-9][0-9_]*(?::[0-5]?[0-9])+|[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)")

_SURPRISING_WORDS = frozenset(word for word in _WORDS if word.lower() in {"yes", "no", "on", "off"})


def resolve(text: str) -> bool | int | float | str | None:
    """Return the value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > _MAX_NUMBER_LENGTH:
        return text
    return _number(text)


def is_surprising(text: str) -> bool:
    """Tell whether the reading of this plain scalar is one of YAML 1.1's well-known surprises."""
    return (
        text in _SURPRISING_WORDS
        or _OCTAL.fullmatch(text) is not None
        or _SEXAGESIMAL.fullmatch(text) is not None
    )


def _number(text: str) -> int | float | str:
    bare = text.replace("_", "")
    if _INTEGER.fullmatch(text):
        return int(bare)
    if _FLOAT.fullmatch(text):
        value = float(bare)
        return value if isfinite(value) else text
    if _OCTAL.fullmatch(text):
        return int(bare, 8)
    if _PREFIXED.fullmatch(text):
        return int(bare, 0)
    if _SEXAGESIMAL.fullmatch(text):
        return _sexagesimal(bare)
    return text


def _sexagesimal(text: str) -> int | float:
    """Return the value of base-60 digits: ``1:30`` is 90."""
    sign = -1 if text[0] == "-" else 1
    total: int | float = 0
    for digits in text.lstrip("+-").split(":"):
        total = total * 60 + (float(digits) if "." in digits else int(digits))
    return sign * total
